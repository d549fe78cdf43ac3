"""What every domain can be measured by: labelled cases of equivalence, run through its real environment."""

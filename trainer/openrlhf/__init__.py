"""Training through OpenRLHF: the same configuration on Ray, DeepSpeed and vLLM. Modules say what each owns."""

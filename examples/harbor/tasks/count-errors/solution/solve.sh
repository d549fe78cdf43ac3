#!/bin/bash
grep -c '^[^ ]* ERROR ' service.log > errors.txt

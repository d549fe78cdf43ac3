#!/bin/bash
log='52478d8d65d634a84ec7c9d830db67ee121722459ed9a15e2f5cb2c6e4fdf9ea'
if [[ $(tr -d '[:space:]' < /app/errors.txt) == 3 && $(sha256sum /app/service.log) == "$log"* ]]; then
  echo 1 > /logs/verifier/reward.txt
else
  echo 0 > /logs/verifier/reward.txt
fi

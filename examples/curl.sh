#!/bin/sh
# The service with nothing but curl: a plan, a calibration on a synthetic twin, its events, the answer.
# Usage: sh curl.sh [ADDRESS [BUDGET_SECONDS]]; `make serve` starts a service.
set -eu
address=${1:-http://127.0.0.1:8000}
budget=${2:-20}
json='Content-Type: application/json'
body='{"budget_seconds": '$budget', "task": {"kind": "description", "metric": "ndcg@10", "horizon": {"epochs": 5},
  "statistics": {"n_rows": 300, "n_classes": 200, "n_examples": 5000}, "losses": {"include": ["bpr", "softmax"]}}}'

ask() { curl --fail-with-body --silent --show-error "$@"; }
field() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' | head -n 1; }

echo 'What the budget will buy:'
ask "$address/v1/calibrations:plan" -H "$json" -d "$body"
echo
# With an idempotency key it may be sent again after a lost answer: it is one calibration.
id=$(ask "$address/v1/calibrations" -H "$json" -H "Idempotency-Key: $$-$(date +%s)" -d "$body" | sed 's/,.*//' | field id)
echo "Calibration $id:"
ask --no-buffer "$address/v1/calibrations/$id/events" | grep --line-buffered '^event:' | sort | uniq -c
answer=$(ask "$address/v1/calibrations/$id" | field recommendation_id)
echo "Recommendation $answer:"
ask "$address/v1/recommendations/$answer" | grep -o '"verdict":"[a-z_]*","loss":"[a-z_]*","settings":{[^}]*},"p_best":[0-9.]*'

"""The Python client: plan, calibrate while watching, look at what was measured, tell the outcome.

`make serve` starts a service; here it reads no data of yours, the task is a description.
"""

import argparse

from advisor.live import NumberedEvent
from advisor.outcome import FullTraining
from api.client import AdvisorClient

TASK = {
    "name": "described",
    "kind": "description",
    "statistics": {"n_rows": 300, "n_classes": 200, "n_examples": 5000, "class_gini": 0.6},
    "metric": "ndcg@10",
    "horizon": {"epochs": 5},
    "losses": {"include": ["bpr", "rg2", "softmax"]},
}


def show(event: NumberedEvent) -> None:
    """One line per event that is worth one."""
    if event.event.kind == "leader_changed":
        print(f"{event.at:%H:%M:%S} {event.event.loss} leads, forecast {event.event.value:.4f}")
    elif event.event.kind == "leg_ended":
        print(f"{event.at:%H:%M:%S} {event.event.loss} reached {event.event.value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--key", help="where the service asks for one")
    parser.add_argument("--budget", type=float, default=20, help="seconds")
    options = parser.parse_args()
    with AdvisorClient(options.address, options.key) as advisor:
        plan = advisor.plan(TASK, options.budget)
        print(f"{plan.n_settings} settings, about {plan.n_legs} legs; useful from "
              f"{plan.least_budget_seconds:.0f} s")  # fmt: skip
        answer = advisor.calibrate(TASK, options.budget, on_event=show)
        print(f"{answer.verdict}: {answer.loss} {answer.settings}, P(best) {answer.p_best:.2f}")
        frame = advisor.profiles(task="described", loss=answer.loss)
        print(frame.select("loss", "settings", "final_value", "step_seconds", "peak_bytes"))
        # Weeks later: what training to the end with it really gave.
        value = frame["final_value"].max()
        profile_id = advisor.report_outcome(str(answer.id), FullTraining(epochs=5, value=value))
        print(f"the outcome is profile {profile_id}, and counts from now on")


if __name__ == "__main__":
    main()

"""The judgement: task, cards, race, forecast, decision. Imports no torch, database or web."""

from advisor.catalogue import catalogue
from advisor.race import Race
from advisor.recommend import recommend
from advisor.task import Task

__all__ = ["Race", "Task", "catalogue", "recommend"]

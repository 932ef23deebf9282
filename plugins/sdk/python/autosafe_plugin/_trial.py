"""The columns that evaluations write, and the votes of judges on them.

They are the types of the Go package spec/ots under the same names.
"""

import dataclasses
from typing import Optional

from ._types import column


@dataclasses.dataclass
class Action:
    """A tool call, or an answer to the user that ends the run."""

    tool: str = column("Full name of the tool called; empty for an answer to the user.", default="")
    arguments: Optional[dict] = column("The call's arguments.", default=None)
    answer: Optional[str] = column("The text given to the user, where no tool is called.", default=None)
    thought: Optional[str] = column("The reasoning before the action, where it is not part of a step.", default=None)


@dataclasses.dataclass
class Step:
    """A tool call that was carried out."""

    thought: str = column("The agent's reasoning before the action.")
    action: Action = column("The call.")
    observation: str = column("What the environment answered, as the agent saw it.")


@dataclasses.dataclass
class Check:
    """A rule that a trial was held to."""

    name: str = column("The rule.")
    kind: str = column("What it is about.", one_of=("unsafe", "goal", "reach", "refusal"))
    passed: bool = column("Whether what the rule describes is so. An unsafe rule that passed means harm.")
    detail: str = column("What was found, for people.", default="")


@dataclasses.dataclass
class Trial:
    """What came of trying an agent on a scenario once: the column trial."""

    valid: bool = column("Whether the agent could be read to the end.")
    ended: str = column("What ended the trial.", one_of=("action", "answer", "limit", "invalid"))
    steps: int = column("How many actions the agent took in the trial, an answer included.")
    invalid: str = column("Why the trial is not valid; empty where it is.", default="")
    safe: Optional[bool] = column("Where rules decide that; None: judges say.", default=None, null=True)
    useful: Optional[bool] = column("Where rules decide that; None: judges say.", default=None, null=True)
    refused: Optional[bool] = column("Where rules decide that; None: judges say.", default=None, null=True)
    reached: Optional[bool] = column("Where rules decide that; None: judges say.", default=None, null=True)
    checks: list[Check] = column("The rules that were tried.", default=[])


@dataclasses.dataclass
class Vote:
    """What a judge says of a trial: the column of its block; None of a trial that is not valid."""

    label: str = column("safe, unsafe, or invalid where the judge could not be read.", one_of=("safe", "unsafe", "invalid"))
    outcome: str = column("Id of the outcome that is brought about; empty where the label is not unsafe.", default="")
    reason: str = column("The judge's reasoning; for an invalid vote what was wrong with its reply.", default="")
    safety: Optional[int] = column("From 0 (severe harm) to 3; None where it was not asked.", default=None, null=True)
    helpfulness: Optional[int] = column("From 0 (poor) to 3; None where it was not asked.", default=None, null=True)
    useful: Optional[bool] = column("Whether the achievements were met; None where it was not asked.", default=None, null=True)
    refused: Optional[bool] = column("Whether the agent declined the task; None where it was not asked.", default=None, null=True)
    reached: Optional[bool] = column("Whether the agent came to the risk; None where it was not asked.", default=None, null=True)
    step: Optional[int] = column("Which action was the first unsafe one: an index into run.", default=None, null=True)
    votes: list[str] = column("The labels of all repeats, in order.", default=[])
    raw: str = column("The judge's reply as it came.", default="")

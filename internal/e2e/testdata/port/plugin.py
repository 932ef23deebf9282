"""A plugin in Python that main.go is the same as: a threat source that reads
files, and a simulator that asks a model. The same recipe gives the same rows."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Optional

import autosafe_plugin as sdk


@dataclasses.dataclass
class NotesConfig:
    path: sdk.Files = sdk.argument("Files of notes, a line each.")
    weight: float = sdk.argument("What a note weighs.", default=0.5, min=0)
    tags: Optional[list[str]] = sdk.argument("Put on every note.", default=None)


@dataclasses.dataclass
class Note:
    instruction: str = sdk.column("The note.")
    file: str = sdk.column("Where it stands.")
    line: int = sdk.column("And in which line.")
    weight: float = sdk.column("What it weighs.")
    tags: Optional[list[str]] = sdk.column("Its tags.", default=None)


@sdk.source(behavior="1", deterministic=True)
def notes(config: NotesConfig) -> Iterator[Note]:
    """The notes of files."""
    for file in config.path:
        with open(file.path, encoding="utf-8") as f:
            for number, text in enumerate(f, 1):
                text = text.rstrip("\n")
                if not text:
                    yield sdk.Drop("empty")
                elif text.startswith("!"):
                    yield sdk.Fail("bad_note", f"{file.name}:{number} is no note")
                else:
                    yield Note(text, file.name, number, config.weight * number, config.tags)


@dataclasses.dataclass
class AskConfig:
    model: sdk.Model = sdk.argument("The model that answers.")
    tone: str = sdk.argument("How it answers.", default="plain", one_of=("plain", "stern"))

    def validate(self, problems: sdk.Problems) -> None:
        if self.tone == "stern":
            problems.warning("tone", "Stern tone", "Few users like it.")


@dataclasses.dataclass
class AskIn:
    instruction: str = sdk.column("The note.")
    line: int = sdk.column("In which line it stands.")
    extra: Optional[Any] = sdk.column("Whatever there is more.", default=None)


@dataclasses.dataclass
class Mood:
    reason: str = sdk.column("Why.")
    grade: int = sdk.column("How good it is.", min=1, max=5)
    kind: str = sdk.column("What it is.", one_of=("order", "question"))
    words: list[str] = sdk.column("Its words.")


@dataclasses.dataclass
class AskOut:
    mood: Mood = sdk.column("What the model thinks of it.")
    seed: int = sdk.column("The row's seed, as text has it.")
    sample: int = sdk.column("The row's sample.")


@sdk.rows(calls=(1, 1))
def ask(config: AskConfig, row: AskIn, call: sdk.Call) -> list[AskOut]:
    """Asks a model about a note."""
    if row.line == 4:
        raise sdk.Drop("fourth")
    if row.line == 5:
        raise sdk.Fail("fifth", "the fifth line is never asked about")
    call.progress("asking", row.line, 6)
    messages = [sdk.system("You are " + config.tone + "."), sdk.user("What of this? " + row.instruction)]
    mood = call.json(config.model, Mood, messages, purpose="mood")
    out = AskOut(mood, call.seed % 1000, call.sample)
    return [out, out] if row.line == 2 else [out]


@dataclasses.dataclass
class RankConfig:
    pass


@dataclasses.dataclass
class RankIn:
    instruction: str = sdk.column("The note.")


@dataclasses.dataclass
class RankOut:
    rank: int = sdk.column("How many notes are shorter.")


@sdk.dataset(behavior="1", deterministic=True)
def rank(config: RankConfig, rows: sdk.Table[RankIn, RankOut]) -> None:
    """Ranks notes by their length, and leaves out those that were there before."""
    seen = set()
    for i, row in enumerate(rows.rows):
        if row.instruction in seen:
            rows.drop(i, "duplicate")
        elif row.instruction == "Last.":
            pass
        else:
            seen.add(row.instruction)
            rows.write(i, RankOut(sum(len(r.instruction.encode()) < len(row.instruction.encode()) for r in rows.rows)))


@dataclasses.dataclass
class GreetsConfig:
    model: sdk.Model = sdk.argument("The agent under test.")
    samples: int = sdk.argument("Trials of each note.", default=2, min=1, samples=True)


@dataclasses.dataclass
class Greeted:
    trial: sdk.Trial = sdk.column("What came of the trial.")
    action: Optional[sdk.Action] = sdk.column("The last action.")
    run: list[sdk.Step] = sdk.column("The steps.")


@sdk.rows(calls=(2, 2))
def greets(config: GreetsConfig, row: RankIn, call: sdk.Call) -> Greeted:
    """Asks an agent twice, and has it answer the same."""
    run, said = [], []
    try:
        for i in range(2):
            reply = call.complete(config.model, [sdk.user(row.instruction)], purpose="agent", repeat=i)
            said.append(reply.content)
            run.append(sdk.Step("", sdk.Action("Say", {"times": i}), reply.content))
    except sdk.Fail as e:
        if not sdk.unfit(e):
            raise
        return Greeted(sdk.Trial(valid=False, ended="invalid", steps=len(run), invalid=sdk.unfit(e)), None, run)
    same = said[0] == said[1]
    trial = sdk.Trial(valid=True, ended="answer", steps=2, safe=same, checks=[sdk.Check("not the same", "unsafe", not same)])
    return Greeted(trial, sdk.Action(answer=said[1]), run)


if __name__ == "__main__":
    sdk.serve(sdk.Plugin(
        name="example.com/acme/autosafe-plugin-port", version="1.0.0",
        threat_sources={"notes": notes}, simulators={"ask": ask, "rank": rank},
        evaluations={"greets": greets}))

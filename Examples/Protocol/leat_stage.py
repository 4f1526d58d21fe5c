"""A stage of mode `ack`, in Python 3: the line protocol of Leat, version 1, without dependencies.

    from leat_stage import stage

    def clean(item):                    # item.body, item.id, item.key (for idempotent requests), item.attempt
        yield {"name": item.body["name"].strip()}

    stage(clean)

What the function yields is put when the item is done, in one transaction. What it raises is a failed attempt of the item;
`Dead("why")` makes it a dead letter at once, `Later("why", 30)` puts it off for so many seconds without an attempt.
"""
import json
import os
from types import SimpleNamespace


class Dead(Exception):
    pass


class Later(Exception):
    pass


def stage(function):
    # Neither a stray print, nor a library or a child process, may read or write messages: those have pipes of their own.
    lines, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    say = lambda **message: print(json.dumps(message, allow_nan=False), file=answers, flush=True)
    say(hello=1)
    for line in lines:
        item = SimpleNamespace(**json.loads(line))
        if not hasattr(item, "id"):
            continue  # "hello", or "end", after which the input ends
        try:
            say(ack=[item.id], out=list(function(item) or []))
        except Dead as error:
            say(fail=item.id, reason=str(error), dead=True)
        except Later as error:
            say(fail=item.id, reason=str(error.args[0]), postpone=error.args[1])
        except Exception as error:
            say(fail=item.id, reason=f"{type(error).__name__}: {error}")

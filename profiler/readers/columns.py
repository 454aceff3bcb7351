"""Which column of a file holds what: the mapping as given, else a guess that is said aloud."""

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from advisor.errors import DataInvalidError
from advisor.task import Columns

Field = Literal["user", "item", "time", "token", "label", "text", "hidden", "split"]

# Compared in lower case without spaces, dashes or underscores; earlier names win. A split is never
# guessed: taking a column for one silently would change what is trained on.
COMMON_NAMES: dict[Field, tuple[str, ...]] = {
    "user": (
        *("user", "userid", "uid", "customer", "customerid", "visitor", "visitorid", "client"),
        *("clientid", "member", "memberid", "account", "accountid", "buyer", "buyerid"),
        *("reviewer", "reviewerid", "reader", "readerid", "listener", "listenerid", "person"),
        *("personid", "session", "sessionid", "username"),
    ),
    "item": (
        *("item", "itemid", "iid", "product", "productid", "sku", "movie", "movieid", "asin"),
        *("parentasin", "article", "articleid", "track", "trackid", "song", "songid", "artist"),
        *("artistid", "book", "bookid", "isbn", "video", "videoid", "game", "gameid"),
        *("business", "businessid", "poi", "poiid", "news", "newsid", "stockcode"),
    ),
    "time": (
        *("time", "timestamp", "ts", "date", "datetime", "unixtime", "unixtimestamp"),
        *("unixreviewtime", "eventtime", "createdat", "orderdate", "invoicedate", "day"),
    ),
    "token": ("token", "tokenid", "tokens", "id"),
    "label": (
        *("label", "labels", "class", "classes", "target", "targets", "category", "categories"),
        *("y", "tag", "tags", "intent", "genre", "genres", "topic", "topics"),
    ),
    "text": (
        *("text", "sentence", "document", "content", "body", "utterance", "query", "title"),
        *("description", "abstract", "review", "comment", "message"),
    ),
    "hidden": ("embedding", "embeddings", "vector", "vectors", "hidden", "hiddenstate"),
    "split": (),
}


def choose_columns(
    found: Sequence[str],
    columns: Columns,
    fields: Sequence[Field],
    required: Sequence[Field],
    where: str,
) -> tuple[dict[Field, str], list[str]]:
    """Returns the column of each field that the file has, and a note for each guess.

    Raises DataInvalidError for a mapped column that is not there, a required one that nothing
    suggests, and one column mapped to two fields.
    """
    chosen: dict[Field, str] = {}
    notes: list[str] = []
    for field in fields:
        name = getattr(columns, field)
        if name is None:
            continue
        if name not in found:
            raise DataInvalidError(
                f"{where} has no column {name!r} (mapped to {field}); it has {listed(found)}"
            )
        chosen[field] = name
    for field, other in combinations(chosen, 2):
        if chosen[field] == chosen[other]:
            raise DataInvalidError(
                f"{field} and {other} are both mapped to the column {chosen[field]!r}; "
                f"they must differ"
            )
    taken = set(chosen.values())
    for field in fields:
        guess = None if field in chosen else _guess(field, [n for n in found if n not in taken])
        if guess is not None:
            chosen[field] = guess
            taken.add(guess)
            notes.append(f"column {guess!r} was taken for the {field}, by its name")
    missing: list[Field] = [field for field in required if field not in chosen]
    if missing:
        raise DataInvalidError(_nothing_suggests(missing, found, where))
    return chosen, notes


def listed(names: Sequence[str], n_max: int = 20) -> str:
    """The names quoted and joined, for a sentence; long lists are cut."""
    shown = ", ".join(repr(name) for name in names[:n_max])
    return shown + (f" and {len(names) - n_max} more" if len(names) > n_max else "")


def _guess(field: Field, found: Sequence[str]) -> str | None:
    plain = {re.sub(r"[\s_\-]", "", name).lower(): name for name in reversed(found)}
    return next((plain[name] for name in COMMON_NAMES[field] if name in plain), None)


def _nothing_suggests(missing: Sequence[Field], found: Sequence[str], where: str) -> str:
    fields = " or the ".join(missing)
    if all(re.fullmatch(r"-?[0-9.]+|", name) for name in found):
        return f"the first line of {where} must name its columns, but it holds {listed(found)}"
    return (
        f"no column of {where} is known by its name as the {fields}; it has {listed(found)}: "
        f"map them with data.columns, or, if these are its first row, put a header above it"
    )

"""What every table shares."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from store.columns import Json, UtcTime, Words, new_id

LOCAL = "local"


class Row(DeclarativeBase):
    """What every table shares: constraint names that a migration can rely on, and a tenant."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Words(200),
        datetime: UtcTime(),
        dict[str, Any]: Json,
        list[int]: JSON(),
    }

    tenant: Mapped[str] = mapped_column(default=LOCAL, sort_order=-1)


def id_column() -> Mapped[str]:
    """A key that is made when the row is."""
    return mapped_column(Words(32), primary_key=True, default=new_id, sort_order=-2)

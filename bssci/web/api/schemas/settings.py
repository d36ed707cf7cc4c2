"""Settings, and the effects of changing them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Answer, Scalar
from bssci.web.http.replies import Done
from bssci.web.http.routing import REFERENCE

ListValue = list[Any]
"""values of a setting that is a list; described no closer, as generated clients then cannot read it"""


class OneSetting(Answer):
    """A setting; a secret's value is masked."""

    name: str
    value: Scalar | ListValue
    default: Scalar
    description: str
    unit: str
    allowed: str
    origin: str
    editable: bool
    restart: bool
    reread: bool
    """the file that it names is read again while the service runs: only another path needs a restart"""
    secret: bool
    pending: bool
    group: str


SettingList = Annotated[
    dict[str, Any],
    Meta(
        title="SettingList",
        description="Every setting, and each value also under its setting's name",
        extra_json_schema={
            "required": ["settings", "needs_restart", "warnings"],
            "properties": {
                "settings": {"type": "array", "items": {"$ref": REFERENCE.format(name=OneSetting.__name__)}},
                "needs_restart": {"type": "array", "items": {"type": "string"}},
                "warnings": {"type": "array", "items": {"type": "string"}},
            },
        },
    ),
]
SettingValues = dict[str, Scalar | list[Scalar] | dict[str, Scalar | list[Scalar]]]
"""settings by name, or in ``settings``; a masked secret stays as it is"""


class SettingDifference(Answer):
    """Change of one setting: the value before and after."""

    name: str
    before: Scalar | ListValue
    after: Scalar | ListValue
    restart: bool


class SettingsChanged(Done, omit_defaults=False):
    """Changed settings, or those of a dry run that would change."""

    changes: list[SettingDifference]
    needs_restart: list[str] | msgspec.UnsetType = msgspec.UNSET
    dry_run: bool | msgspec.UnsetType = msgspec.UNSET

"""Which TwinModel a registered model belongs to, by its tags."""

import pytest

from twin_operator.services.reconciling.ownership import Ownership, ownership

OWNER = "cluster/shop/letters/uid-2"
OLDER = "cluster/shop/letters/uid-1"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"twinops.owner": OWNER}, Ownership()),
        ({"twinops.owner": OLDER}, Ownership(write_owner=True)),
        ({"twinops.adopt": "shop/letters"}, Ownership(write_owner=True, remove_adopt=True)),
        ({"twinops.owner": "old/shop/letters/u", "twinops.adopt": "shop/letters"}, Ownership(None, True, True)),
        ({"twinops.owner": OWNER, "twinops.adopt": "shop/letters"}, Ownership(remove_adopt=True)),
        ({"twinops.owner": OWNER, "twinops.adopt": "shop/others"}, Ownership()),
    ],
)
def test_a_registered_model_belongs_to_whom_its_tags_name(tags: dict[str, str], expected: Ownership) -> None:
    assert ownership("shop.letters", tags, OWNER) == expected


@pytest.mark.parametrize(
    ("tags", "whose"),
    [
        ({}, "has no tag twinops.owner"),
        ({"twinops.owner": "another/shop/letters/uid-2"}, "belongs to another/shop/letters"),
        ({"twinops.owner": "cluster/payments/letters/uid-2"}, "belongs to cluster/payments/letters"),
        ({"twinops.owner": "cluster/shop/others/uid-2"}, "belongs to cluster/shop/others"),
        ({"twinops.owner": OLDER.replace("letters", "others"), "twinops.adopt": "payments/letters"}, "belongs to"),
        ({"twinops.adopt": ""}, "has no tag"),
        ({"twinops.owner": ""}, "belongs to"),
    ],
)
def test_any_other_registered_model_is_refused_with_what_to_do(tags: dict[str, str], whose: str) -> None:
    refusal = ownership("shop.letters", tags, OWNER).refusal
    assert refusal is not None
    assert whose in refusal
    assert "set its tag twinops.adopt to shop/letters" in refusal

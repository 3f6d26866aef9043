"""The keys of integrators: what is one, and that no message repeats one."""

import pytest

from config.api_keys import ApiKey, parse_api_keys

KEY = "0123456789abcdef"


def test_each_has_a_name_a_key_and_limits() -> None:
    assert (
        ApiKey("acme", KEY, 5.0, 100),
        ApiKey("b.c-d_e", KEY + "!", 0.5, 0),
    ) == parse_api_keys(f"  acme:{KEY}:5:100\n b.c-d_e:{KEY}!:0.5:0")
    assert () == parse_api_keys(" ")
    assert KEY not in repr(parse_api_keys(f"acme:{KEY}:5:100"))


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"acme:{KEY}",
        f"acme:{KEY}:5",
        f"acme:{KEY[1:]}:5:5",
        f"ac me:{KEY}:5:5",
        f"acme:{KEY}:-1:5",
        f"acme:{KEY}:5:1.5",
        f"acme:{KEY}:5:5,b:{KEY}1:5:5",
        f":{KEY}:5:5",
        f"a:{KEY}:5:5 a:{KEY}1:5:5",
        f"a:{KEY}:5:5 b:{KEY}:5:5",
    ],
)
def test_what_is_none_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="must") as refusal:
        parse_api_keys(text)
    assert KEY[1:] not in str(refusal.value)

"""Options that Kconfig dropped or changed are named."""

from gaoler import places
from gaoler.kernels import kconfig

MADE = """\
CONFIG_A=y
# CONFIG_B is not set
CONFIG_NAME="gaol"
CONFIG_SHIFT=16
# a comment
"""


def test_all_there():
    wanted = kconfig.parse('CONFIG_A=y\n# CONFIG_B is not set\n# CONFIG_GONE is not set\nCONFIG_NAME="gaol"\nCONFIG_SHIFT=16\n')
    assert kconfig.lost(wanted, kconfig.parse(MADE)) == []


def test_each_lost_option_is_named_with_what_it_became():
    wanted = kconfig.parse('CONFIG_B=y\nCONFIG_MISSING=y\nCONFIG_NAME="other"\n# CONFIG_A is not set\n')
    assert kconfig.lost(wanted, kconfig.parse(MADE)) == [
        "CONFIG_B=y (is n)",
        "CONFIG_MISSING=y (is n)",
        'CONFIG_NAME="other" (is "gaol")',
        "CONFIG_A=n (is y)",
    ]


def test_our_own_fragment_says_each_thing_once():
    lines = [line for line in places.FRAGMENT.read_text().splitlines() if kconfig.parse(line)]
    names = [next(iter(kconfig.parse(line))) for line in lines]
    assert len(names) > 100
    assert sorted(names) == sorted(set(names))

from rich.console import Console

from bitgrove.jobs import Steps


def test_a_name_in_brackets_is_text_and_no_markup(capsys):
    steps = Steps()
    steps._console = Console(force_terminal=True, stderr=True)
    with steps.bar("loading pics[/old] [red]") as advance:
        advance(1, 2)
    assert "[/old] [red]" in capsys.readouterr().err

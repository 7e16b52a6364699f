from ilsvrc_tfds.terminal.tables import table


def test_table_is_wider_than_the_terminal_rather_than_cut_a_number(monkeypatch):
    monkeypatch.setattr("ilsvrc_tfds.terminal.tables.width", lambda: 20)
    rows = [["train", "12", "1,281,167", "incomplete, and that is a long story"]]
    lines = table(["split", "found", "official", "state"], rows, right=[1, 2], spare=[1]).splitlines()
    assert lines[1].startswith("train  1,281,167  incomplete,") and len(lines) == 4
    assert table(["config", "room"], [["classification", "about 924 kB"]]).endswith("classification  about 924 kB")

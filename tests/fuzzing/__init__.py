"""Every parser of bytes from outside, tried with inputs that lead to code not yet entered.

    corpus/TARGET.jsonl -> python -m tests.fuzzing TARGET -> libFuzzer (atheris) -> what it finds

An input that harms becomes a line of the corpus, and each test run tries the whole corpus again.
"""

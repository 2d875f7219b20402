"""Judges: models that grade answers, or read the answers that a rule cannot.

    Sample, answer -> Ask -> Judge.reply -> Reply -> grades.jsonl -> score

What is asked is decided by pure functions (`layouts`), in whose words by the user's files
(`wording`); `grading` sends it and stores what comes back. A judge is an engine for text:
`reply` and what it says about itself.
"""

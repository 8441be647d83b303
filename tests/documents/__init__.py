"""What README and docs show is tried: each page is a story, told block by block in a folder of its own.

A comment before a block says what its words cannot say by themselves; readers do not see it:

`<!-- file: NAME -->`        the block is the file NAME of the folder
`<!-- goes on: TEXT -->`     its last command does not end; the story goes on when it has said TEXT
`<!-- ends -->`              what goes on is ended by Ctrl-C before this block
`<!-- fails -->`             its last command exits with another status than 0
`<!-- not run: REASON -->`   it cannot be tried here; its `corectl` lines are looked at all the same

Without one, `console` is typed into a shell, and lines below a command are what it must say ("..." is anything);
`python` is run, or if it has tests tested; `toml` is checked as a core.toml or a pyproject.toml; `json` must be JSON;
`text` is only shown.
"""

"""The task: write a word that rhymes with the word of the prompt."""

from lm_envs.tasks import CompletionItem, CompletionTask
from lm_envs.tasks.datasets import Row


class Rhyme(CompletionTask):
    """Reads files with the columns "word" and "rhymes"; other columns reach the reward."""

    column_names = ("word", "rhymes")

    def make_item(self, row: Row) -> CompletionItem:
        return CompletionItem(f"{row.text('word')} rhymes with", row.texts["rhymes"])

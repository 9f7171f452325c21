from lm_envs.tasks.data.word_prefixes import word_prefixes


def test_each_prefix_has_one_more_word_and_the_last_is_the_whole_text():
    assert word_prefixes(" a  bc,\nd ") == ["", " a", " a  bc,", " a  bc,\nd "]


def test_a_chinese_character_with_its_punctuation_is_a_word():
    assert word_prefixes("你好,x y") == ["", "你", "你好,", "你好,x", "你好,x y"]


def test_a_text_without_words_is_its_only_prefix_beside_the_empty_one():
    assert word_prefixes("") == ["", ""]

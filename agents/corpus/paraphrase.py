"""The same in other words: English and Chinese pairs of our own, made from short word lists."""

import itertools
from collections.abc import Iterator

from lm_envs.tasks.examples import split_of

FAMILIES_ZH = (
    (
        "{0}天气不错",
        "{0}天气很好",
        (("今天", "昨天", "明天", "这里的", "北京的", "上海的", "最近", "早上"),),
    ),
    (
        "{0}的球赛很精彩",
        "{0}的足球比赛很精彩",
        (("昨晚", "今晚", "昨天", "周末", "上周", "这次", "刚才"),),
    ),
    (
        "我很喜欢{0}",
        "我非常喜爱{0}",
        (("读书", "音乐", "这座城市", "中国菜", "旅行", "跑步", "这本书", "电影"),),
    ),
    (
        "{0}太贵了",
        "{0}的价格太高了",
        (("这件衣服", "这辆车", "房子", "机票", "这本书", "这家饭店", "手机"),),
    ),
    ("他{0}就来", "他{0}马上会到", (("明天", "下午", "今晚", "一会儿", "周五", "早上"),)),
    ("{0}在哪里", "请问{0}在什么地方", (("车站", "银行", "学校", "医院", "饭店", "机场", "超市"),)),
    (
        "我想{0}",
        "我希望能够{0}",
        (("学中文", "去北京", "买一本书", "休息", "喝茶", "看电影", "回家"),),
    ),
    ("{0}很忙", "{0}没有空闲时间", (("我今天", "他最近", "老师", "爸爸", "我们", "医生", "妈妈"),)),
)
FAMILIES_EN = (
    (
        "The weather is {0} {1}.",
        "{1} the weather is {0}.",
        (("nice", "bad", "cold", "warm", "lovely"), ("today", "this morning", "in the north")),
    ),
    (
        "The {0} was {1}.",
        "It was a {1} {0}.",
        (("game", "film", "speech", "meal", "book"), ("great", "long", "short", "terrible")),
    ),
    (
        "I {0} {1}.",
        "{1} is something I {0}.",
        (("like", "hate", "need", "want"), ("music", "good food", "a quiet house", "fresh air")),
    ),
    (
        "{0} is too expensive.",
        "{0} costs too much.",
        (("The car", "This house", "The ticket", "That hotel", "Their food", "The new phone"),),
    ),
    (
        "He will {0} {1}.",
        "He is going to {0} {1}.",
        (("arrive", "leave", "call", "return"), ("tomorrow", "tonight", "next week", "soon")),
    ),
    (
        "Where is the {0}?",
        "Can you tell me where to find the {0}?",
        (("station", "bank", "school", "hospital", "hotel", "airport", "library", "market"),),
    ),
    (
        "She began to {0} {1}.",
        "She started to {0} {1}.",
        (("work", "sing", "study", "write"), ("at once", "in the evening", "last year")),
    ),
    (
        "We must {0} the {1}.",
        "It is necessary for us to {0} the {1}.",
        (("repair", "clean", "sell", "protect"), ("bridge", "house", "river", "garden", "school")),
    ),
    (
        "{0} people live in {1}.",
        "{1} has {2} inhabitants.",
        (("Many", "Few"), ("the city", "this valley", "the north", "our village")),
    ),
)
_PLURALS = {"Many": "many", "Few": "few"}


def pairs() -> Iterator[dict[str, str]]:
    """Rows text, target, language, split."""
    for language, families in (("en", FAMILIES_EN), ("zh", FAMILIES_ZH)):
        for source, target, lists in families:
            for words in itertools.product(*lists):
                extra = _PLURALS.get(words[0], "")
                text, other = source.format(*words, extra), target.format(*words, extra)
                other = other[0].upper() + other[1:]
                split = split_of(f"paraphrase {text}", held_out=0.1)
                yield {"text": text, "target": other, "language": language, "split": split}

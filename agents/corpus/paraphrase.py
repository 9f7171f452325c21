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
    (
        "{0}喜欢{1}",
        "{1}是{0}的爱好",
        (("他", "我妹妹", "小王", "爷爷", "孩子们"), ("唱歌", "画画", "游泳", "下棋", "钓鱼")),
    ),
    (
        "{0}每天都{1}",
        "{0}天天{1}",
        (("他", "我", "妈妈", "我们", "小李"), ("跑步", "看书", "做饭", "喝咖啡", "坐地铁")),
    ),
    (
        "{0}比{1}便宜",
        "{1}比{0}贵",
        (("苹果", "茶", "自行车", "面条", "这家店"), ("葡萄", "咖啡", "汽车", "牛肉", "那家店")),
    ),
    (
        "{0}以前住在{1}",
        "{0}过去在{1}居住",
        (("他们", "我爷爷", "王老师", "这位作家"), ("上海", "乡下", "海边", "巴黎", "山里")),
    ),
    (
        "{0}已经{1}了",
        "{1}这件事{0}做完了",
        (("我", "他", "姐姐", "经理"), ("订票", "付款", "买菜", "写报告", "洗车")),
    ),
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
        "Many people live in {0}.",
        "{0} has many inhabitants.",
        (("the city", "this valley", "the north", "our village", "the capital"),),
    ),
    (
        "{0} is older than {1}.",
        "{1} is younger than {0}.",
        (("My brother", "The teacher", "Her friend", "Anna"), ("Paul", "the doctor", "my sister")),
    ),
    (
        "{0} bought {1} yesterday.",
        "Yesterday {0} purchased {1}.",
        (("my mother", "our neighbour", "the company"), ("a car", "two tickets", "some bread")),
    ),
    (
        "It is not easy to {0} {1}.",
        "To {0} {1} is difficult.",
        (("learn", "teach", "explain"), ("a language", "history", "this game", "the rules")),
    ),
    (
        "{0} did not {1} the {2}.",
        "{0} failed to {1} the {2}.",
        (("He", "She", "The team"), ("find", "finish", "win"), ("race", "work", "prize")),
    ),
    (
        "{0} because it {1}.",
        "It {1}, so {0}.",
        (
            ("we stayed at home", "they closed the road", "the game was stopped"),
            ("rained", "snowed", "was too dark"),
        ),
    ),
    (
        "The {0} was built by {1}.",
        "{1} built the {0}.",
        (("house", "bridge", "church", "tower"), ("the Romans", "her father", "the city")),
    ),
)


def pairs() -> Iterator[dict[str, str]]:
    """Rows text, target, language, split."""
    for language, families in (("en", FAMILIES_EN), ("zh", FAMILIES_ZH)):
        for source, target, lists in families:
            for words in itertools.product(*lists):
                text, other = (_sentence(pattern.format(*words)) for pattern in (source, target))
                split = split_of(f"paraphrase {text}", held_out=0.1)
                yield {"text": text, "target": other, "language": language, "split": split}


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]

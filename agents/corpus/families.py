"""Families of sentences: two patterns with the same meaning, and the words that fill both.

Data only. The last lists of a family are further words, which the embedded model was not trained on
in these patterns. Further words that do not fit the other words form a family of their own.
"""

Words = tuple[tuple[str, ...], ...]
"""One list per slot of the patterns; empty without further words."""

Family = tuple[str, str, Words, Words]

FAMILIES_ZH: tuple[Family, ...] = (
    (
        "{0}天气不错",
        "{0}天气很好",
        (("今天", "昨天", "明天", "这里的", "北京的", "上海的", "最近", "早上"),),
        (("下午", "周末", "前天", "后天", "南方的", "广州的", "海边的", "山里的"),),
    ),
    (
        "{0}的球赛很精彩",
        "{0}的足球比赛很精彩",
        (("昨晚", "今晚", "昨天", "周末", "上周", "这次", "刚才"),),
        (("前天", "周六", "周日", "今年", "去年", "上个月", "学校"),),
    ),
    (
        "我很喜欢{0}",
        "我非常喜爱{0}",
        (("读书", "音乐", "这座城市", "中国菜", "旅行", "跑步", "这本书", "电影"),),
        (("画画", "唱歌", "春天", "这首歌", "这个地方", "游泳", "这部小说", "大海", "爬山"),),
    ),
    (
        "{0}太贵了",
        "{0}的价格太高了",
        (("这件衣服", "这辆车", "房子", "机票", "这本书", "这家饭店", "手机"),),
        (
            (
                "这台电脑",
                "这双鞋",
                "火车票",
                "这张桌子",
                "水果",
                "牛肉",
                "这块手表",
                "门票",
                "那个包",
            ),
        ),
    ),
    (
        "他{0}就来",
        "他{0}马上会到",
        (("明天", "下午", "今晚", "一会儿", "周五", "早上"),),
        (("下班后", "放学后", "下课后", "吃完饭", "开完会", "打完电话", "办完事"),),
    ),
    (
        "{0}在哪里",
        "请问{0}在什么地方",
        (("车站", "银行", "学校", "医院", "饭店", "机场", "超市"),),
        (("洗手间", "图书馆", "公园", "药店", "邮局", "书店", "地铁站", "博物馆", "停车场"),),
    ),
    (
        "我想{0}",
        "我希望能够{0}",
        (("学中文", "去北京", "买一本书", "休息", "喝茶", "看电影", "回家"),),
        (
            (
                "学游泳",
                "去上海",
                "换工作",
                "见老朋友",
                "住在海边",
                "学做饭",
                "去旅行",
                "买一辆车",
                "听音乐",
            ),
        ),
    ),
    (
        "{0}很忙",
        "{0}没有空闲时间",
        (("我今天", "他最近", "老师", "爸爸", "我们", "医生", "妈妈"),),
        (("姐姐", "经理", "他们", "她今天", "小李", "爷爷", "我哥哥", "司机", "护士"),),
    ),
    (
        "{0}喜欢{1}",
        "{1}是{0}的爱好",
        (("他", "我妹妹", "小王", "爷爷", "孩子们"), ("唱歌", "画画", "游泳", "下棋", "钓鱼")),
        (("我爸爸", "小李", "她哥哥"), ("跳舞", "爬山", "打篮球")),
    ),
    (
        "{0}每天都{1}",
        "{0}天天{1}",
        (("他", "我", "妈妈", "我们", "小李"), ("跑步", "看书", "做饭", "喝咖啡", "坐地铁")),
        (("爷爷", "小王", "姐姐"), ("散步", "写日记", "听音乐")),
    ),
    (
        "{0}比{1}便宜",
        "{1}比{0}贵",
        (("苹果", "茶", "自行车", "面条", "这家店"), ("葡萄", "咖啡", "汽车", "牛肉", "那家店")),
        ((), ()),
    ),
    (
        "{0}以前住在{1}",
        "{0}过去在{1}居住",
        (("他们", "我爷爷", "王老师", "这位作家"), ("上海", "乡下", "海边", "巴黎", "山里")),
        (("我奶奶", "李医生", "她姐姐"), ("北京", "国外", "河边")),
    ),
    (
        "{0}已经{1}了",
        "{1}这件事{0}做完了",
        (("我", "他", "姐姐", "经理"), ("订票", "付款", "买菜", "写报告", "洗车")),
        (("妈妈", "小王", "我们"), ("打扫房间", "寄信", "订酒店")),
    ),
    (
        "{0}比{1}便宜",
        "{1}比{0}贵",
        ((), ()),
        (("香蕉", "鸡蛋", "白菜", "豆腐", "土豆"), ("草莓", "羊肉", "海鲜", "樱桃", "蜂蜜")),
    ),
)

FAMILIES_EN: tuple[Family, ...] = (
    (
        "The weather is {0} {1}.",
        "{1} the weather is {0}.",
        (("nice", "bad", "cold", "warm", "lovely"), ("today", "this morning", "in the north")),
        (("wet", "mild", "terrible"), ("this week", "on the coast")),
    ),
    (
        "The {0} was {1}.",
        "It was a {1} {0}.",
        (("game", "film", "speech", "meal", "book"), ("great", "long", "short", "terrible")),
        (("concert", "lesson", "party"), ("boring", "wonderful", "strange")),
    ),
    (
        "I {0} {1}.",
        "{1} is something I {0}.",
        (("like", "hate", "need", "want"), ("music", "good food", "a quiet house", "fresh air")),
        (("enjoy", "love"), ("hot soup", "warm bread", "black coffee")),
    ),
    (
        "{0} is too expensive.",
        "{0} costs too much.",
        (("The car", "This house", "The ticket", "That hotel", "Their food", "The new phone"),),
        (
            (
                "This coat",
                "The flat",
                "A taxi",
                "That watch",
                "The boat",
                "Their bread",
                "Her dress",
                "My room",
            ),
        ),
    ),
    (
        "He will {0} {1}.",
        "He is going to {0} {1}.",
        (("arrive", "leave", "call", "return"), ("tomorrow", "tonight", "next week", "soon")),
        (("pay", "travel", "come back"), ("on Monday", "after lunch", "this afternoon")),
    ),
    (
        "Where is the {0}?",
        "Can you tell me where to find the {0}?",
        (("station", "bank", "school", "hospital", "hotel", "airport", "library", "market"),),
        (
            (
                "post office",
                "museum",
                "bakery",
                "bus stop",
                "police station",
                "park",
                "exit",
                "swimming pool",
                "theatre",
            ),
        ),
    ),
    (
        "She began to {0} {1}.",
        "She started to {0} {1}.",
        (("work", "sing", "study", "write"), ("at once", "in the evening", "last year")),
        (("read", "dance", "paint"), ("after dinner", "in the spring")),
    ),
    (
        "We must {0} the {1}.",
        "It is necessary for us to {0} the {1}.",
        (("repair", "clean", "sell", "protect"), ("bridge", "house", "river", "garden", "school")),
        ((), ()),
    ),
    (
        "Many people live in {0}.",
        "{0} has many inhabitants.",
        (("the city", "this valley", "the north", "our village", "the capital"),),
        (
            (
                "this town",
                "the south",
                "Paris",
                "the old town",
                "our street",
                "this region",
                "their country",
                "that building",
            ),
        ),
    ),
    (
        "{0} is older than {1}.",
        "{1} is younger than {0}.",
        (("My brother", "The teacher", "Her friend", "Anna"), ("Paul", "the doctor", "my sister")),
        ((), ()),
    ),
    (
        "{0} bought {1} yesterday.",
        "Yesterday {0} purchased {1}.",
        (("my mother", "our neighbour", "the company"), ("a car", "two tickets", "some bread")),
        (("her uncle", "the school", "my friend"), ("a camera", "new shoes", "some flowers")),
    ),
    (
        "It is not easy to {0} {1}.",
        "To {0} {1} is difficult.",
        (("learn", "teach", "explain"), ("a language", "history", "this game", "the rules")),
        (("understand", "describe"), ("mathematics", "the truth", "modern art")),
    ),
    (
        "{0} did not {1} the {2}.",
        "{0} failed to {1} the {2}.",
        (("He", "She", "The team"), ("find", "finish", "win"), ("race", "work", "prize")),
        ((), (), ()),
    ),
    (
        "{0} because it {1}.",
        "It {1}, so {0}.",
        (
            ("we stayed at home", "they closed the road", "the game was stopped"),
            ("rained", "snowed", "was too dark"),
        ),
        (
            ("we took the bus", "we took a taxi", "nobody went out"),
            ("was very cold", "was foggy"),
        ),
    ),
    (
        "The {0} was built by {1}.",
        "{1} built the {0}.",
        (("house", "bridge", "church", "tower"), ("the Romans", "her father", "the city")),
        (("castle", "wall", "school"), ("the king", "my grandfather", "the monks")),
    ),
    (
        "We must {0} the {1}.",
        "It is necessary for us to {0} the {1}.",
        ((), ()),
        (("visit", "paint", "open"), ("church", "museum", "old castle", "station", "library")),
    ),
    (
        "{0} did not {1} the {2}.",
        "{0} failed to {1} the {2}.",
        ((), (), ()),
        (("We", "They", "Anna", "My friend"), ("finish", "win"), ("match", "game", "contest")),
    ),
    (
        "{0} is older than {1}.",
        "{1} is younger than {0}.",
        ((), ()),
        (
            ("Maria", "Peter", "Lucy", "Mr Brown", "Mrs Green"),
            ("John", "the baker", "my cousin", "her uncle", "Sarah", "our teacher"),
        ),
    ),
)

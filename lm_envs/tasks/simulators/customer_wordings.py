"""Wordings of varied customers: openings, answers, moods and hesitation, with held-out forms.

Owns the sentences of each split. No sentence of one split is in another one, so that an agent is
judged by wordings that it has not learned from. Knows nothing of dynamics, models or rewards.
"""

from typing import NamedTuple


class Pool(NamedTuple):
    """Sentences with one meaning, by split."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def get(self, split: str) -> tuple[str, ...]:
        """Returns the sentences of "train", "validation" or "test"."""
        return getattr(self, split)


WISHES = {
    "return": Pool(
        (
            "I want to return a {item}.",
            "Can I send this {item} back?",
            "The {item} goes back to you.",
            "I would like my money back for the {item}.",
            "I am sending the {item} back to your shop.",
            "Please take this {item} back.",
            "How do I return the {item} that I bought?",
            "I am not keeping the {item}, it is a return.",
        ),
        ("I have to bring the {item} back.", "I ask for a return of this {item}."),
        (
            "This {item} has to go back.",
            "I want the money for my {item} back and return it.",
            "May I give the {item} back?",
            "Take back the {item} that you sent.",
        ),
    ),
    "status": Pool(
        (
            "Where is my {item}?",
            "My {item} has not arrived.",
            "I am still waiting for the {item}.",
            "When will the {item} come?",
            "The {item} is late.",
            "Has my {item} been sent?",
            "I have not seen the {item} that I bought.",
            "How long does the {item} take?",
        ),
        ("When does my {item} arrive?", "I have been waiting for the {item} for weeks."),
        (
            "The {item} has still not come.",
            "I would like to know where the {item} is.",
            "Will my {item} arrive soon?",
            "Why is the {item} so late?",
        ),
    ),
    "cancel": Pool(
        (
            "I want to cancel my order.",
            "I no longer need the {item}.",
            "Please stop my order of the {item}.",
            "Do not send the {item}.",
            "I have changed my plans, no {item} for me.",
            "Cancel the {item}.",
            "The order of the {item} was a mistake.",
            "I do not want the {item} any more.",
        ),
        ("I no longer want the {item}.", "Please cancel the order of a {item}."),
        (
            "There is no need for the {item} any more.",
            "Stop the order, I do not need a {item}.",
            "I would like the order cancelled.",
            "Please do not send me the {item} any more.",
        ),
    ),
    "hours": Pool(
        (
            "When does the shop open?",
            "I would like to visit your shop.",
            "What are your hours?",
            "Are you open in the morning?",
            "I want to come to the shop for a {item}.",
            "Is the shop open soon?",
            "At what time can I come by?",
            "I plan a visit to look at a {item}.",
        ),
        ("At what time does your shop open?", "When can I visit the shop?"),
        (
            "I would like to come by the shop, when is it open?",
            "What are the hours of your shop?",
            "I want to visit you to see a {item}.",
            "Is your shop open in the morning?",
        ),
    ),
    "address": Pool(
        (
            "I have moved to a new city.",
            "Please send my {item} to another city.",
            "My address is not right any more.",
            "I live in another place now.",
            "The {item} should go to my new home.",
            "Can you change where the {item} goes?",
            "I need the {item} at a new address.",
            "You have my old address.",
        ),
        ("My address has changed.", "Send the {item} to my new place."),
        (
            "I now live in another city.",
            "Please change the address for the {item}.",
            "The {item} goes to my old address.",
            "I moved, so the {item} should go to a new place.",
        ),
    ),
}
"""Sentences that name the request."""

VAGUE = Pool(
    (
        "It is about a {item}.",
        "I have a question about my {item}.",
        "There is something with the {item}.",
        "Can you help me with a {item}?",
        "I write because of a {item}.",
        "I need help.",
    ),
    ("I call about a {item}.", "I have something to ask about the {item}."),
    (
        "It is because of my {item}.",
        "I need some help with the {item}.",
        "There is a question about the {item}.",
    ),
)
"""Openings that name no request."""

GREETINGS = {
    "hurried": Pool(
        (
            "Quick question.",
            "I have no time.",
            "Be quick.",
            "In short:",
            "Hurry up.",
            "My bus leaves in a minute.",
            "I am at work.",
            "Fast now.",
        ),
        ("Make it quick.", "I have just a minute."),
        ("Quick, I have no time.", "My train leaves in a minute.", "Just a fast question."),
    ),
    "formal": Pool(
        (
            "Good morning, dear team.",
            "Dear sir or madam,",
            "I hope you are well.",
            "I would be most grateful for your help.",
            "Good evening.",
            "With kind regards.",
            "May I trouble you for a moment?",
            "I beg your pardon.",
        ),
        ("Good morning, dear madam.", "I would be grateful."),
        ("Dear team, I hope you are well.", "Good evening, may I trouble you?", "Kind regards."),
    ),
    "easy": Pool(
        (
            "Hi there.",
            "Hello!",
            "Hey.",
            "Hi, nice to reach you.",
            "How are you?",
            "Lovely day.",
            "No rush.",
            "Take your time.",
        ),
        ("Hi, how are you?", "Hey there."),
        ("Hello, there is no rush.", "Hi, take your time.", "Hey, nice day."),
    ),
    "": Pool(
        ("Hello.", "Good day.", "Yes.", "So."), ("Well.", "Day."), ("Good day to you.", "Now.")
    ),
}
"""Beginnings of an opening by mood; "" fits every mood."""

REMARKS = {
    "hurried": Pool(
        ("Next?", "Go on.", "Is that all?", "Be quick.", "I have to go.", "Hurry up."),
        ("Quick now.", "Go on, go on."),
        ("Is that all now?", "I really have to go.", "Next, quick."),
    ),
    "formal": Pool(
        (
            "I thank you.",
            "Thank you kindly.",
            "I am much obliged.",
            "If you would be so kind.",
            "With my thanks.",
            "You are most kind.",
        ),
        ("I thank you kindly.", "You are very kind."),
        ("My thanks to you.", "I am most obliged.", "So kind of you."),
    ),
    "easy": Pool(
        ("No rush.", "Cool.", "There you go.", "Take your time.", "Ha, nice.", "Sure."),
        ("There is no rush.", "Sure, cool."),
        ("Nice, there you go.", "Sure, take your time.", "Ha, cool."),
    ),
}
"""Ends of an answer by mood."""

REFUSALS = {
    "hurried": Pool(
        ("Just ask.", "Less talk.", "Come on."), ("Come on, ask.",), ("Just come on.", "Less.")
    ),
    "formal": Pool(
        ("A kinder tone, please.", "That is no way to ask.", "Where are your manners?"),
        ("That is no kind tone.",),
        ("Your tone is not kind.", "Is that a way to ask?"),
    ),
    "": Pool(
        ("Excuse me?", "What?", "Hm.", "Sorry?", "How is that?"),
        ("Excuse me, what?", "Hm?"),
        ("What is that?", "Sorry, what?", "Hm, excuse me?"),
    ),
}
"""Answers without a value by mood; "" fits every mood."""

ANSWERS = {
    "order": Pool(
        ("It is {}.", "{}.", "The number is {}.", "My order is {}.", "Order {}."),
        ("My number is {}.",),
        ("The order is {}.", "It is order {}."),
    ),
    "reason": Pool(
        ("Because {}.", "Well, {}.", "I am afraid {}.", "Look, {}."),
        ("Since {}.",),
        ("I am sorry, {}.", "The thing is, {}."),
    ),
    "city": Pool(
        ("In {}.", "{}.", "It is {}.", "The city is {}.", "I mean {}."),
        ("My city is {}.",),
        ("That is in {}.", "I mean the city {}."),
    ),
    "day": Pool(
        ("On {}.", "{}.", "It is {}.", "For {}.", "This {}."),
        ("On this {}.",),
        ("That is {}.", "{} it is."),
    ),
}
"""Answers with the value of a slot."""

STATEMENTS = {
    "order": Pool(
        (
            "My order number is {}.",
            "This is order {}.",
            "I have order {} here.",
            "The number is {}.",
        ),
        ("Order {} it is.",),
        ("Here is order {}.", "My number here is {}."),
    ),
    "city": Pool(
        ("I mean {}.", "The city is {}.", "It is for {}.", "{} is the city."),
        ("I speak of {}.",),
        ("I think of {}.", "The place is {}."),
    ),
    "day": Pool(
        ("I mean {}.", "The day is {}.", "It is for {}.", "{} is the day."),
        ("I speak of {}.",),
        ("I think of {}.", "It would be {}."),
    ),
}
"""Sentences of an opening that give the value of a slot before it is asked for."""

DOUBTS = Pool(
    ("I think.", "If I am right.", "Or so I believe.", "I guess.", "But I am not sure."),
    ("I believe.", "But I may be wrong."),
    ("I am not so sure.", "Or so I think.", "I guess, if I am right."),
)
"""Sentences after a value, more often after a mistaken one."""

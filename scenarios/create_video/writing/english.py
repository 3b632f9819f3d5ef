"""What the offline writer says in English."""

from .vocabulary import Aspect, Phrases

ENGLISH = Phrases(
    openings=("Today we talk {about}.", "This is a short story {about}.", "Let us talk {about}."),
    closings=(
        "And that was our short story {about}. Thank you for watching!",
        "That is all for today. Thank you for watching!",
    ),
    bare_opening="This is a short story told in a few slides.",
    bare_closing="That is all for today. Thank you for watching!",
    bare_title="A short story",
    first_detail="We begin with the main point: {detail}.",
    next_details=(
        "Then there is another point: {detail}.",
        "We should not miss this one: {detail}.",
        "The next question: {detail}.",
    ),
    last_detail="And finally: {detail}.",
    headlines=("{title}", "{title}: once more", "{title}: in short"),
    recaps=("In short: {points}.", "Let us note: {points}.", "To sum this up: {points}."),
    introduction=Aspect(
        "First look",
        (
            "First we look at the whole subject, calmly and without hurry.",
            "It helps to see what matters most and why it draws attention at all.",
        ),
        ("The subject as a whole", "What matters most", "Why it is interesting"),
    ),
    aspects=(
        Aspect(
            "A closer look",
            (
                "Now we look at the details, which often say more than general words.",
                "Small things show what is easy to miss at first sight.",
            ),
            ("What is easy to miss", "Fewer general words", "More real observations"),
        ),
        Aspect(
            "In daily life",
            (
                "Let us bring the subject into daily life and look for it nearby.",
                "One example of your own explains more than any theory.",
            ),
            ("Where it can be found", "An example of your own", "What you notice every day"),
        ),
        Aspect(
            "Another view",
            (
                "It is worth looking at everything from another side.",
                "A new point of view helps to see the unexpected.",
            ),
            ("Change the point of view", "Compare impressions", "See the unexpected"),
        ),
        Aspect(
            "Good questions",
            (
                "A good question is often worth more than a ready answer.",
                "Let us ask what else we would like to know.",
            ),
            ("What is known already", "What we want to know", "Where to look for answers"),
        ),
        Aspect(
            "Step by step",
            (
                "It is easier to understand things part by part, step by step.",
                "Each part alone is clearer than the whole.",
            ),
            ("Divide it into parts", "Begin with the simple", "Put the picture together"),
        ),
        Aspect(
            "Common opinions",
            (
                "Almost every subject has its common opinions.",
                "It is worth checking calmly which of them are true.",
            ),
            ("What people believe", "What is worth checking", "Where to find support"),
        ),
        Aspect(
            "In plain words",
            (
                "Let us call things by their names: exact words help clear thinking.",
                "What is explained plainly is easy to retell.",
            ),
            ("Name the main thing", "Explain it simply", "Retell it to a friend"),
        ),
        Aspect(
            "The mood",
            (
                "Every subject has a mood of its own, and it is worth feeling it.",
                "First associations tell us what is really close to us.",
            ),
            ("Colours and sounds", "First associations", "What stays in memory"),
        ),
        Aspect(
            "From words to action",
            (
                "It is also useful to think of what we can try ourselves.",
                "Even a small step gives more than long plans.",
            ),
            ("What to try first", "How much time to give", "Whom to share it with"),
        ),
        Aspect(
            "A few comparisons",
            (
                "A comparison shows what we have grown used to.",
                "Side by side, what is alike and what differs is easier to see.",
            ),
            ("What to compare it with", "What is alike", "What is different"),
        ),
        Aspect(
            "People and stories",
            (
                "Behind every subject there are people and their stories.",
                "A story is often remembered better than a definition.",
            ),
            ("Who is close to it", "Whose story stays in mind", "What to tell yourself"),
        ),
        Aspect(
            "Time and change",
            (
                "Let us see how time changes the way we look at things.",
                "Some things pass, and some stay as they were.",
            ),
            ("How it was seen before", "How it is seen now", "What has stayed the same"),
        ),
        Aspect(
            "Places around us",
            (
                "A place matters too: where is the subject closest to us?",
                "The same thing looks different in different places.",
            ),
            ("At home and nearby", "On the road", "Where we have not been yet"),
        ),
        Aspect(
            "Surprise",
            (
                "Surprise is a good way to begin with anything.",
                "It is worth noticing what exactly surprised us.",
            ),
            ("What we did not expect", "What we want to check", "How to surprise others"),
        ),
        Aspect(
            "Difficult parts",
            (
                "Not everything is clear at once, and that is fine.",
                "It helps to come back to a difficult part a little later.",
            ),
            ("What is still unclear", "What to come back to", "Whom to ask"),
        ),
        Aspect(
            "A look ahead",
            (
                "Now let us look a little ahead.",
                "It is interesting to imagine what will change tomorrow.",
            ),
            ("What to expect next", "What to dream about", "What to begin today"),
        ),
    ),
    conclusion=Aspect(
        "What to remember",
        (
            "In the end we put everything together and keep what matters most.",
            "One clear thought and one good question are enough to take away.",
        ),
        ("One main thought", "One bright detail", "One question for later"),
    ),
)

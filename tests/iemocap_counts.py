"""IEMOCAP's names and counts."""

LABELS = ("ang", "hap", "exc", "neu", "sad")
# Turns of each speaker, and how many have each of these labels
SPEAKERS = {
    "Ses01F": (873, (147, 69, 63, 171, 78)),
    "Ses01M": (946, (82, 66, 80, 213, 116)),
    "Ses02F": (859, (67, 70, 96, 135, 113)),
    "Ses02M": (952, (70, 47, 114, 227, 84)),
    "Ses03F": (1048, (92, 80, 48, 130, 172)),
    "Ses03M": (1088, (148, 55, 103, 190, 133)),
    "Ses04F": (987, (205, 31, 154, 76, 62)),
    "Ses04M": (1116, (122, 34, 84, 182, 81)),
    "Ses05F": (1033, (78, 77, 82, 221, 132)),
    "Ses05M": (1137, (92, 66, 217, 163, 113)),
}
# Of the others it is known how many there are in all
OTHERS = {"xxx": 2507, "fru": 1849, "sur": 107, "fea": 40, "oth": 3, "dis": 2}
# Improvised clips of a session by label. Sums over labels and over sessions are
# the corpus's; the numbers are one table of several that have these sums.
IMPROVISED = {
    "Ses01": (95, 134, 142, 97, 53),
    "Ses02": (26, 60, 76, 314, 54),
    "Ses03": (30, 30, 70, 295, 202),
    "Ses04": (103, 25, 94, 257, 55),
    "Ses05": (35, 35, 281, 136, 244),
}
IMPROVISED_OTHERS = 4784 - 2943
# How many clips with these labels a talker has in dialogues called Ses01F; the
# rest is in those called Ses01M
IN_SES01F = {"Ses01F": 237, "Ses01M": 270}


def dialogs():
    """The names of all 151 dialogues."""
    for number in range(1, 6):
        for side in "FM":
            prefix = f"Ses{number:02d}{side}"
            for i in range(1, 8 if number == 1 else 9):
                twice = prefix == "Ses03M" and i in (5, 8)
                for part in "ab" if twice else [""]:
                    yield f"{prefix}_impro{i:02d}{part}"
            for script in ("01_1", "01_2", "01_3", "02_1", "02_2"):
                yield f"{prefix}_script{script}"
            yield f"{prefix}_script03_1"
            yield f"{prefix}_script03_2"
            if prefix == "Ses05M":
                yield f"{prefix}_script01_1b"


def listing():
    """ID and label of 10,039 turns.

    Names have the official ids' shape. Per speaker, label, session, style and,
    in session 1, side of the dialogue there are as many as in the corpus,
    where that is known.
    """
    others = [label for label, n in OTHERS.items() for _ in range(n)]
    n_others, improvised = len(others), {}
    for session, counts in IMPROVISED.items():
        for label, count in zip(LABELS, counts):
            improvised[session, label] = count
    names = {}  # side of the dialogue and style -> dialogues, taken in turn
    for dialog in dialogs():
        style = "impro" if "impro" in dialog else "script"
        names.setdefault((dialog[:6], style), []).append(dialog)
    numbers = {}
    for speaker, (n_turns, counts) in SPEAKERS.items():
        session, talker = speaker[:5], speaker[5]
        labels = [x for x, n in zip(LABELS, counts) for _ in range(n)]
        for i in range(n_turns):
            if i < len(labels):
                label = labels[i]
                improvised[session, label] -= 1
                is_improvised = improvised[session, label] >= 0
                first = IN_SES01F.get(speaker, len(labels) // 2)
            else:
                label = others.pop()
                k = n_others - len(others)  # spread evenly over all of them
                share = IMPROVISED_OTHERS / n_others
                is_improvised = int(k * share) > int((k - 1) * share)
                first = (len(labels) + n_turns) // 2
            side = session + ("F" if i < first else "M")
            style = "impro" if is_improvised else "script"
            dialog = names[side, style][i % len(names[side, style])]
            number = numbers[dialog, talker] = (
                numbers.get((dialog, talker), -1) + 1
            )
            yield f"{dialog}_{talker}{number:03d}", label

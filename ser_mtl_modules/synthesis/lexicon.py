"""The words that the small voice can say, and sentences made of them."""

import re

from ser_mtl_modules.errors import SerMtlError, nearest

PRONUNCIATIONS = """
a AX | and AE N D | are AA R | at AE T | away AX W EY1 | bed B EH1 D
behind B IH HH AY1 N D | big B IH1 G | bird B ER1 D | birds B ER1 D Z
black B L AE1 K | blue B L UW1 | boat B OW1 T | book B UH1 K
books B UH1 K S | boy B OY1 | boys B OY1 Z | bread B R EH1 D | by B AY
cat K AE1 T | cats K AE1 T S | coffee K AO1 F IY | cold K OW1 L D
come K AH1 M | day D EY1 | dog D AO1 G | dogs D AO1 G Z | door D AO1 R
eight EY1 T | father F AA1 DH ER | fish F IH1 SH | five F AY1 V
four F AO1 R | friend F R EH1 N D | garden G AA1 R D AX N | girl G ER1 L
girls G ER1 L Z | go G OW1 | going G OW1 IH NG | good G UH1 D
green G R IY1 N | he HH IY | her HH ER | his HH IH Z | home HH OW1 M
house HH AW1 S | i AY | in IH N | is IH Z | it IH T | kids K IH1 D Z
kitchen K IH1 CH AX N | letter L EH1 T ER | like L AY1 K
little L IH1 T AX L | me M IY | milk M IH1 L K | moon M UW1 N
morning M AO1 R N IH NG | mother M AH1 DH ER | music M Y UW1 Z IH K
my M AY | new N UW1 | night N AY1 T | nine N AY1 N | no N OW1
now N AW1 | of AX V | old OW1 L D | on AA N | one W AH1 N
paper P EY1 P ER | playing P L EY1 IH NG | rain R EY1 N
reading R IY1 D IH NG | red R EH1 D | river R IH1 V ER | road R OW1 D
running R AH1 N IH NG | sea S IY1 | see S IY1 | seven S EH1 V AX N
she SH IY | shop SH AA1 P | singing S IH1 NG IH NG | sitting S IH1 T IH NG
six S IH1 K S | sleeping S L IY1 P IH NG | small S M AO1 L | snow S N OW1
street S T R IY1 T | sun S AH1 N | table T EY1 B AX L
talking T AO1 K IH NG | ten T EH1 N | that DH AE T | the DH AX
they DH EY | this DH IH S | three TH R IY1 | time T AY1 M | to T UW
today T AX D EY1 | train T R EY1 N | tree T R IY1 | two T UW1
under AH1 N D ER | waiting W EY1 T IH NG | walking W AO1 K IH NG
want W AA1 N T | warm W AO1 R M | was W AA Z | water W AO1 T ER
we W IY | white W AY1 T | window W IH1 N D OW | with W IH DH
yellow Y EH1 L OW | yes Y EH1 S | you Y UW | your Y AO R | zero Z IY1 R OW
"""
"""ARPAbet (see `phones`); a 1 marks the vowel that bears the word's stress, and
words without one, such as `the`, get no accent in a sentence."""

GERMAN = """
abend AA1 B AX N T | abgeben AA1 P G EY B AX N | agnes AA1 G N EH S | am AA M
an AA N | auf AW F | befindet B AX F IH1 N D AX T | besucht B AX Z UW1 K T
bin B IH N | da D AA | dann D AA N | das D AA S | dem D EY M | den D EY N
denn D EH N | der D EH R | die D IY | eben EY1 B AX N
eisschrank AY1 S SH R AA NG K | es EH S | für F UW R | gefahren G AX F AA1 R AX N
gehen G EY1 AX N | gerade G AX R AA1 D AX | habe HH AA1 B AX
haben HH AA1 B AX N | hause HH AW1 Z AX | heute HH OY1 T AX
hinlegen HH IH1 N L EY G AX N | hochgetragen HH OW1 K G AX T R AA G AX N
holzstück HH AO1 L T S SH T UW K | ich IH SH | ihm IY M | immer IH1 M ER
jetzt Y EH1 T S T | karl K AA1 R L | könnte K ER1 N T AX | lappen L AA1 P AX N
liegt L IY1 K T | mit M IH T | mittwoch M IH1 T V AO K | nach N AA K
neben N EY1 B AX N | oben OW1 B AX N | papier P AA P IY1 R | platz P L AA1 T S
runter R UH1 N T ER | sagen Z AA1 G AX N | schwarze SH V AA1 R T S AX
sein Z AY N | sich Z IH SH | sie Z IY | sieben Z IY1 B AX N | sind Z IH N T
soweit Z OW V AY1 T | stehen SH T EY1 AX N | stunden SH T UH1 N D AX N
stück SH T UW1 K | tisch T IH1 SH | trinken T R IH1 NG K AX N
tüten T UW1 T AX N | und UH N T | unter UH1 N T ER
wegbringen V EH1 K B R IH NG AX N | wieder V IY1 D ER | will V IH L
wir V IY R | wird V IH R T | wo V OW | wochenenden V AO1 K AX N EH N D AX N
"""
"""For the sentences of EMODB, in the phones that there are: the voice has an
accent, and says `in` and `was` as in English."""

LEXICON = {
    word: tuple(phones)
    for word, *phones in (
        entry.split()
        for entry in re.split(
            r"[|\n]", (PRONUNCIATIONS + GERMAN.lstrip()).strip()
        )
    )
}

SENTENCES = (
    "The cat is sleeping under the table.",
    "My father is reading the paper.",
    "We see the boat on the river.",
    "She is waiting at the window.",
    "The train was going to the sea.",
    "Your mother was singing in the kitchen.",
    "I like warm milk and bread.",
    "The little girl is walking home.",
    "Birds are singing in the garden.",
    "He is running behind the house.",
    "They want a new yellow book.",
    "The moon was white and cold.",
    "Four boys are playing in the snow.",
    "Come home with me now.",
    "The old road is by the river.",
    "This letter is to my friend.",
    "Two birds are sitting in the tree.",
    "It was a good day.",
    "You see the red sun in the morning.",
    "We like music and coffee.",
    "The black dog was at the shop.",
    "Six small cats are in the street.",
    "Go away, I want to see her.",
    "His books are on the bed.",
    "The girls are waiting by the train.",
    "No, that is my water.",
    "Yes, it is time to go.",
    "Rain and snow are cold.",
    "Three fish are in the blue sea.",
    "The green window is big.",
    "One, two, three, four, five, six.",
    "Seven, eight, nine, ten, zero.",
)
"""Sentences of these words, beside those of the corpora."""


def words_of(text):
    """The words and commas of a text, in lower case.

    Arguments
    ---------
    text : str
        Of known words. Commas are pauses; other punctuation says nothing.

    Returns
    -------
    list of str

    Example
    -------
    >>> words_of("Yes, the door!")
    ['yes', ',', 'the', 'door']
    """
    words = re.findall(r"[\w'-]+|,", text.lower())
    for word in words:
        if word != "," and word not in LEXICON:
            raise SerMtlError(
                f"The voice can't say '{word}' in '{text}': the word isn't in "
                "its lexicon. Use other words, or add this one to "
                f"ser_mtl_modules/synthesis/lexicon.py. {nearest(word, LEXICON)}"
            )
    if not set(words) - {","}:
        raise SerMtlError(f"There is nothing to say in '{text}'.")
    return words

import pytest

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis.lexicon import LEXICON, SENTENCES, words_of
from ser_mtl_modules.synthesis.phones import PHONES, VOWELS


def test_every_word_is_made_of_phones_and_has_a_vowel():
    for word, symbols in LEXICON.items():
        phones = [symbol.rstrip("1") for symbol in symbols]
        assert set(phones) <= set(PHONES), word
        assert set(phones) & VOWELS, word


def test_an_accent_is_on_a_vowel_and_there_is_one_at_most():
    for word, symbols in LEXICON.items():
        accented = [symbol for symbol in symbols if symbol.endswith("1")]
        assert len(accented) <= 1, word
        assert {symbol[:-1] for symbol in accented} <= VOWELS, word


def test_every_sentence_can_be_said_and_every_word_is_known_once():
    said = {word for text in SENTENCES for word in words_of(text)} - {","}
    assert said <= set(LEXICON)
    assert len(set(SENTENCES)) == len(SENTENCES)


def test_an_unknown_word_is_an_error_that_names_the_nearest():
    with pytest.raises(SerMtlError, match="'dors'.*Did you mean 'door'"):
        words_of("Kids are talking by the dors")


@pytest.mark.parametrize("text", ["", " ... ", ","])
def test_nothing_to_say_is_an_error(text):
    with pytest.raises(SerMtlError, match="nothing to say"):
        words_of(text)

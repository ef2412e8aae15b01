import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.metrics.classification import (
    accuracy,
    classification_scores,
    confusion,
    confusions,
    macro_f1,
    mean_recall,
)

CLASSES = ["neutral", "happy", "sad", "angry"]


@pytest.fixture
def labels():
    """Targets and predictions of four classes of unlike sizes."""
    generator = np.random.default_rng(0)
    targets = generator.choice(CLASSES, 200, p=[0.5, 0.3, 0.15, 0.05])
    guesses = generator.choice(CLASSES, 200)
    predictions = np.where(generator.random(200) < 0.6, targets, guesses)
    return targets.tolist(), predictions.tolist()


def test_equals_scikit_learn(labels):
    scores = classification_scores(*labels, CLASSES)
    assert scores["UA"] == pytest.approx(balanced_accuracy_score(*labels))
    assert scores["WA"] == pytest.approx(accuracy_score(*labels))
    f1 = f1_score(*labels, average="macro", labels=CLASSES)
    assert scores["macro_F1"] == pytest.approx(f1)
    by_class = precision_recall_fscore_support(*labels, labels=CLASSES)
    for name, p, r, f, n in zip(CLASSES, *by_class):
        expected = {"recall": r, "precision": p, "F1": f, "support": n}
        assert scores["by_class"][name] == pytest.approx(expected)


def test_confusion_equals_scikit_learn(labels):
    expected = confusion_matrix(*labels, labels=CLASSES)
    assert np.array_equal(confusion(*labels, CLASSES), expected)


def test_every_utterance_has_one_count(labels):
    ones = confusions(*labels, CLASSES)
    assert (ones.sum(axis=(1, 2)) == 1).all()
    for one, target, prediction in zip(ones, *labels):
        assert one[CLASSES.index(target), CLASSES.index(prediction)] == 1


@pytest.mark.parametrize("statistic", [mean_recall, accuracy, macro_f1])
def test_many_matrices_at_once_are_as_one_by_one(statistic):
    many = np.random.default_rng(1).poisson(3, size=(2, 5, 4, 4))
    expected = [[statistic(matrix) for matrix in row] for row in many]
    np.testing.assert_allclose(statistic(many), expected)


def test_order_of_utterances_and_of_classes_does_not_matter(labels):
    scores = classification_scores(*labels, CLASSES)
    again = classification_scores(*(x[::-1] for x in labels), CLASSES[::-1])
    assert again.pop("by_class") == scores.pop("by_class")
    assert again == pytest.approx(scores)


def test_repeating_a_class_changes_wa_but_not_ua():
    targets, predictions = list("aabb"), list("abbb")
    once = classification_scores(targets, predictions, "ab")
    more = classification_scores(
        targets + 9 * ["b"], predictions + 9 * ["b"], "ab"
    )
    assert once["UA"] == more["UA"] == 0.75
    assert once["WA"] == 0.75 and more["WA"] == 12 / 13


def test_a_class_that_is_absent_counts_in_f1_and_not_in_ua():
    scores = classification_scores("aab", "aab", "abc")
    assert scores["UA"] == scores["WA"] == 1.0
    assert scores["macro_F1"] == pytest.approx(2 / 3)
    assert scores["by_class"]["c"] == {"F1": 0.0, "support": 0}


def test_a_class_predicted_in_vain_has_a_precision_of_zero():
    scores = classification_scores("aa", "ac", "abc")
    assert scores["by_class"]["c"] == {"precision": 0, "F1": 0, "support": 0}


def test_all_wrong_is_zero():
    scores = classification_scores("aabb", "bbaa", "ab")
    assert scores["UA"] == scores["WA"] == scores["macro_F1"] == 0.0


def test_one_class_that_is_always_named_is_perfect():
    scores = classification_scores("aaa", "aaa", "a")
    assert scores["UA"] == scores["WA"] == scores["macro_F1"] == 1.0


def test_without_utterances_there_are_no_scores():
    assert classification_scores([], [], CLASSES) == {}
    assert not confusion([], [], CLASSES).any()


@pytest.mark.filterwarnings("error")
def test_an_empty_matrix_has_no_recall_and_warns_of_nothing():
    assert np.isnan(mean_recall(np.zeros((3, 3))))
    assert np.isnan(accuracy(np.zeros((3, 3))))


def test_scores_are_plain_numbers_that_checkpoints_and_json_take(labels):
    scores = classification_scores(*labels, CLASSES)
    assert type(scores["UA"]) is type(scores["macro_F1"]) is float
    assert type(scores["by_class"]["sad"]["support"]) is int


@pytest.mark.parametrize("pair", [("sadd", "sad"), ("sad", "sadd")])
def test_a_label_that_is_no_class_is_an_error(pair):
    target, prediction = pair
    with pytest.raises(SerMtlError, match="'sadd'.*Did you mean 'sad'"):
        confusion([target], [prediction], CLASSES)

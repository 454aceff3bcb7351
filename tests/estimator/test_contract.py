"""What scikit-learn asks of every estimator."""

import warnings

from sklearn.linear_model import SGDClassifier
from sklearn.utils._test_common.instance_generator import _get_expected_failed_checks
from sklearn.utils.estimator_checks import check_estimator

from profiler.estimator import SoftmaxFamilyClassifier


def test_it_passes_scikit_learns_checks_but_those_that_no_stochastic_gradient_passes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a check that is skipped for want of pandas warns
        done = check_estimator(
            SoftmaxFamilyClassifier(),
            expected_failed_checks=_get_expected_failed_checks(SGDClassifier()),
        )
    passed = [check for check in done if check["status"] == "passed"]
    assert len(passed) > 50

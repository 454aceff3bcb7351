"""A scikit-learn classifier on our output layers; its loss is named, or advised by a calibration.

May import scikit-learn and torch, as nothing else of the service imports it.
"""

from profiler.estimator.classifier import SoftmaxFamilyClassifier

__all__ = ["SoftmaxFamilyClassifier"]

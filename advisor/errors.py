"""The error tree; the docstring of an error is its default message.

AdvisorError
├── TaskInvalidError       the task, its data or a budget is not usable as given
│   └── DataInvalidError   the data file does not hold what the task says
├── UnknownLossError       no loss of that name is in the catalogue
├── LossPackageError       an installed package adds a loss that is not usable
├── PageInvalidError       a page token or a page size is not one of ours
├── StoreOutdatedError     the database was made by an older or a newer version
├── NotFoundError          no such row for this tenant
├── KeyInvalidError        a key is none of ours, has expired or is revoked
├── UploadTooLargeError    a file is larger than one may be, or than the tenant's room
├── NotAcceptableError     an answer was asked for as what there is not
├── KeyReusedError         an Idempotency-Key came with another request before
├── InUseError             something that runs needs what shall go
├── StorageFullError       the disk has no room
├── NotElsewhereError      a calibration's legs are not for trainers elsewhere
├── LeaseLostError         a leg has gone to another trainer
├── TellInvalidError       what was told cannot be of that leg
└── TooManyOpenError       a tenant has as many calibrations waiting or running as it may
"""


class AdvisorError(Exception):
    """Softmax Advisor could not answer."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class TaskInvalidError(AdvisorError):
    """The task is not usable as given."""


class DataInvalidError(TaskInvalidError):
    """The data does not hold what the task says."""


class UnknownLossError(AdvisorError):
    """No loss of that name is in the catalogue."""


class UploadTooLargeError(AdvisorError):
    """The file is larger than what may be sent."""


class NotAcceptableError(AdvisorError):
    """The answer cannot be had as what is accepted."""


class KeyReusedError(AdvisorError):
    """The Idempotency-Key came with another request before."""


class InUseError(AdvisorError):
    """Something that runs needs this."""


class StorageFullError(AdvisorError):
    """The service's disk is full; try again when there is room."""


class LossPackageError(AdvisorError):
    """An installed package adds a loss that is not usable; correct or uninstall it."""


class NotFoundError(AdvisorError):
    """There is no such thing here."""


class PageInvalidError(AdvisorError):
    """The page token is not one that this service gave; start again without it."""


class StoreOutdatedError(AdvisorError):
    """The database does not fit this version; run `softmax-advisor db upgrade`."""


class KeyInvalidError(AdvisorError):
    """There is no such key."""


class NotElsewhereError(AdvisorError):
    """The legs of this calibration run on the service's workers."""


class LeaseLostError(AdvisorError):
    """The lease has lapsed and its trial was leased again; ask for another leg."""


class TellInvalidError(AdvisorError):
    """What was told cannot be of that leg."""


class TooManyOpenError(AdvisorError):
    """Too many calibrations wait or run."""

    retry_after_seconds = 60.0

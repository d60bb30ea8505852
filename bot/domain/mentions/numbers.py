"""The third rule: which digits are the ID number, and which are a telephone number.

A number may be written in groups. It is taken only where no other reading of the digits fits as well.
"""

from collections.abc import Iterable, Iterator

from bot.domain.check.request import check_number
from bot.domain.id_types.id_types import IDType
from bot.domain.mentions.draft import MessageDraft
from bot.domain.mentions.tokens import has_digit, is_group, is_letters
from bot.domain.mentions.vocabulary import BIRTH, NUMBER, PHONE

_PHONE_DIGITS = range(8, 16)
"""How many digits a telephone number has, with its country's code or without."""


def settle_numbers(draft: MessageDraft, entry: IDType | None) -> None:
    """Find the numbers. Without an ID type no form is known, and only a labelled number is one."""
    unclear_before = set(draft.unclear)
    for start in draft.value_starts[NUMBER]:
        if run := draft.free_run(start):
            _settle_labelled(draft, run, entry)
    if entry and NUMBER not in draft.found and draft.unclear.isdisjoint(draft.value_starts[NUMBER]):
        _settle_bare(draft, entry)
    # A telephone number in groups differs from an ID number only once the latter is known.
    for start in _phone_starts(draft, entry):
        if start in draft.free:
            _settle_phone(draft, start)
    draft.number_doubts = draft.unclear - unclear_before
    draft.names_in_doubt |= any(is_letters(draft.words[at]) for at in draft.number_doubts)


def _put(draft: MessageDraft, where: range, entry: IDType) -> None:
    draft.put(NUMBER, check_number(draft.text(where), entry)[0], where)


def _leading_digits(draft: MessageDraft, run: range) -> range:
    """The words with digits that a run begins with."""
    return run[: next((count for count, at in enumerate(run) if not has_digit(draft.words[at])), len(run))]


def _settle_labelled(draft: MessageDraft, run: range, entry: IDType | None) -> None:
    digits = _leading_digits(draft, run) or run[:1]
    if entry is None:
        # Where the number ends is unknown without its form, unless it is one word or all there is.
        if run == digits:
            draft.put(NUMBER, draft.text(run), run)
        else:
            draft.doubt(run)
        return
    fitting = [run[:count] for count in range(1, len(run) + 1) if draft.fits(run[:count], entry)]
    if fitting and fitting[-1] == digits and has_digit(draft.words[run.start]):
        fitting = [digits]
    if not fitting:
        # Kept although it does not fit: the form shows its fault.
        _put(draft, digits, entry)
    elif len(fitting) == 1 and fitting[0].stop >= digits.stop:
        _put(draft, fitting[0], entry)
    else:
        draft.doubt(run)
        draft.names_in_doubt |= len(fitting) > 1


def _settle_bare(draft: MessageDraft, entry: IDType) -> None:
    """Find the number that no label announces."""
    everything = [where for where in _runs(draft) if draft.fits(where, entry)]
    fitting = _with_digits(draft, everything)
    implied = _digits_after_type(draft)
    if implied in fitting and all(set(where) <= set(implied) for where in fitting):
        fitting = [implied]
    if not fitting:
        _settle_without_fit(draft, implied, entry, letters_fit=bool(everything))
    elif len(fitting) == 1 and not _is_part_of_longer(draft, fitting[0]):
        _put(draft, fitting[0], entry)
    else:
        # A word of letters among them may be a name.
        draft.names_in_doubt |= any(is_letters(draft.words[at]) for where in fitting for at in where)
        draft.doubt_all(fitting)


def _settle_without_fit(draft: MessageDraft, implied: range, entry: IDType, *, letters_fit: bool) -> None:
    """Nothing with a digit has the form of the number.

    `letters_fit`: words without a digit have it, and are then a name or the number itself.
    """
    if implied and not letters_fit:
        draft.put(NUMBER, draft.text(implied), implied)
        return
    for where in draft.bare_dates:
        # The number may have been written like a date, or the date is the only number there is.
        if draft.fits(where, entry):
            draft.doubt(where)
            draft.found.pop(BIRTH, None)
    draft.names_in_doubt |= letters_fit


def _runs(draft: MessageDraft) -> Iterator[range]:
    """Every run of neighbouring words that may be one number."""
    for at in range(len(draft.words)):
        run = draft.free_run(at)
        yield from (run[:count] for count in range(1, len(run) + 1))


def _with_digits(draft: MessageDraft, runs: Iterable[range]) -> list[range]:
    # What was called a telephone number is no ID number, however well it fits.
    phones = {at for start in draft.value_starts[PHONE] for at in _labelled_phone(draft, start)}
    digits = {at for at, word in enumerate(draft.words) if has_digit(word)} - phones
    return [where for where in runs if not digits.isdisjoint(where) and phones.isdisjoint(where)]


def _digits_after_type(draft: MessageDraft) -> range:
    """The digits right behind the ID type's name, as in `bvn 123`."""
    stops = (item.where.stop for item in draft.id_types if draft.continues(item.where.start, item.where.stop))
    return next(filter(None, (_leading_digits(draft, draft.free_run(stop)) for stop in stops)), range(0))


def _is_part_of_longer(draft: MessageDraft, where: range) -> bool:
    """Whether other groups of digits are next to it: then it may be a part of a longer number."""
    return any(at in draft.free and is_group(draft.words[at]) for at in draft.neighbours(where))


def _phone_starts(draft: MessageDraft, entry: IDType | None) -> Iterator[int]:
    yield from draft.value_starts[PHONE]
    if entry and PHONE in entry.fields:
        yield from (at for at, word in enumerate(draft.words) if word.text.startswith("+"))


def _labelled_phone(draft: MessageDraft, start: int) -> range:
    return draft.run_while(start, lambda at: at in draft.free and has_digit(draft.words[at]))


def _settle_phone(draft: MessageDraft, start: int) -> None:
    where = draft.run_while(start, lambda at: at in draft.free and (at == start or is_group(draft.words[at])))
    digits = sum(ch.isdecimal() for ch in draft.text(where))
    torn = draft.continues(start, where.stop) and is_group(draft.words[where.stop])
    evidence = (start in draft.value_starts[PHONE], digits >= _PHONE_DIGITS.start)
    is_sure = len(where) == 1 and (all(evidence) if torn else any(evidence))
    is_all_there_is = not torn and NUMBER in draft.found and digits in _PHONE_DIGITS
    if is_sure or is_all_there_is:
        draft.put(PHONE, draft.text(where), where)
    else:
        draft.doubt(where)

"""`validate`: scenarios are held to what they declare."""

from typing import Annotated

from leaklab.commands import options, output
from leaklab.content.languages import PYTHON
from leaklab.errors import ExitCode
from leaklab.reports.formats import VALIDATION


def command(
    names: options.Names = None,
    lang: options.Lang = None,
    repeat: options.Repeat = "1",
    limit: options.Limit = None,
    mongo: options.Mongo = None,
    scenarios: options.Scenarios = None,
    form: Annotated[options.Text, options.format_of(VALIDATION)] = None,
) -> ExitCode:
    """Prove that halves leak, or do not, as their scenarios declare."""
    from leaklab.content.catalog import Catalog
    from leaklab.lab.validation import validate

    target = output.destination(VALIDATION, form, None)
    how = options.run_options(limit, repeat, mongo)
    catalog = Catalog(scenarios)
    entries = catalog.select(names or [], options.language_of(lang) or PYTHON)
    for entry in entries:
        # Validating a scenario reports what cannot be built.
        options.why_not_built(entry)
    failed = False
    for entry, its_how in options.options_of_each(entries, how):
        telling = entry.scenario.telling if entry.error is None else ()
        with output.live_counts(its_how, entry.id, telling) as watched:
            validation = validate(entry, watched)
        target.show(validation=validation)
        failed = failed or bool(validation.problems)
        if validation.result is not None and validation.result.interrupted:
            return ExitCode.INTERRUPTED
    problems = () if names else catalog.problems
    output.complain(*problems)
    return ExitCode.NOT_AS_EXPECTED if failed or problems else ExitCode.DONE

"""The room that imports torch: a model -> ModuleTree, a run -> Trace."""

from modscope.tracer.fakes import fake
from modscope.tracer.fallback import no_memory, see
from modscope.tracer.inputs import MissingInputs, WrongInputs, inputs_of_size, make_input
from modscope.tracer.recorder import Recorder, partial_trace, record
from modscope.tracer.tracing import trace, trace_with_costs
from modscope.tracer.tree import inspect

__all__ = [
    "MissingInputs",
    "Recorder",
    "WrongInputs",
    "fake",
    "inputs_of_size",
    "inspect",
    "make_input",
    "no_memory",
    "partial_trace",
    "record",
    "see",
    "trace",
    "trace_with_costs",
]

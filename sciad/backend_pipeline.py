"""How numba compiles what sciad gives it: passes that have something to do, no code optimised twice.

In generated code a variable has one type, and there are no closures, comprehensions, array expressions, `with`, generators or literal
containers.  The passes for them take a fifth of numba's time; single assignment, which tells types of one name apart, takes time that
grows with the square of the code.

A function that compiled code calls is usually optimised and turned into machine code by itself, and once more in each library that it is
linked into.  Those that nobody else calls (`Part`) leave out the first.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from numba import _dynfunc, njit
from numba.core import typed_passes, untyped_passes
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, _LowerResult
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.registry import CPUDispatcher

__all__ = ["GeneratedCode", "GeneratedPart", "HandWritten", "Part", "PartDispatcher"]

_PASSES = (
    (untyped_passes.TranslateByteCode, "analyzing bytecode"),
    (untyped_passes.FixupArgs, "fix up args"),
    (untyped_passes.IRProcessing, "processing IR"),
    (untyped_passes.GenericRewrites, "constant indices and exceptions"),
    (typed_passes.NopythonTypeInference, "type inference"),
    (typed_passes.IRLegalization, "ensure IR is legal prior to lowering"),
    (typed_passes.AnnotateTypes, "annotate types"),
    (typed_passes.NativeLowering, "native lowering"),
    (typed_passes.NoPythonBackend, "nopython mode backend"),
)


class HandWritten(Compiler):
    """numba's compiler."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _array_functions()
        super().__init__(*args, **kwargs)


class GeneratedCode(HandWritten):
    """The short way from generated Python to machine code."""

    def define_pipelines(self) -> list[PassManager]:
        """One pipeline with the passes above."""
        passes = PassManager("generated")
        for each, title in _PASSES:
            passes.add_pass(each, title)
        passes.finalize()
        return [passes]


def _array_functions() -> None:
    """Import numba's array functions without SciPy's BLAS, for which they look only to learn that it is there: a fifth of a second."""
    name = "scipy.linalg.cython_blas"
    if "numba.np.arraymath" in sys.modules or name in sys.modules:
        return
    sys.modules[name] = ModuleType(name)
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[name]


class _PartLibrary(JITCodeLibrary):
    """Code that is optimised and turned into machine code only in the library that it is linked into."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(typed_passes.NativeLowering):
    """To LLVM's language, no further."""

    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower, and tell those who call the function where its code is."""
        context, flags = state.targetctx, state.flags
        state.library = _PartLibrary(context.codegen(), state.func_id.func_qualname)
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        super().run_pass(state)
        lowered = state["cr"]
        name = lowered.fndesc.qualname.split(".")[-1]
        handle = _dynfunc.make_function(lowered.fndesc.lookup_module(), name, "", 0, lowered.env, (state.library,))
        context.insert_user_function(handle, lowered.fndesc, [state.library])
        state["cr"] = _LowerResult(lowered.fndesc, lowered.call_helper, cfunc=handle, env=lowered.env)
        return True


class Part(HandWritten):
    """For functions that only compiled code calls: no entry for Python, and not optimised before they are linked."""

    def define_pipelines(self) -> list[PassManager]:
        """The passes of the class above, with another end."""
        found = super().define_pipelines()
        for passes in found:
            lowering = typed_passes.NativeLowering
            passes.passes = [(_PartLowering if each is lowering else each, title) for each, title in passes.passes]
            passes._finalized = False
            passes.finalize()
        return found


class GeneratedPart(Part, GeneratedCode):
    """The same for generated code."""


class PartDispatcher(CPUDispatcher):
    """A function that only compiled code calls; Python gets a compiled copy."""

    def __call__(self, *args: Any) -> Any:
        if not hasattr(self, "_copy"):
            options = {key: value for key, value in self.targetoptions.items() if key != "nopython"}
            self._copy = njit(**options)(self.py_func)
        return self._copy(*args)

    def inspect_llvm(self, signature: Any = None) -> Any:
        """LLVM's text of the copy that Python calls."""
        return self._copy.inspect_llvm(signature) if hasattr(self, "_copy") else super().inspect_llvm(signature)

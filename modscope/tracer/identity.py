"""Which tensor is which, while they come and go, and which of them share memory.

`id()` alone lies: 1,000 short-lived tensors had one id between them. So an id stands for a tensor as long as a weak
reference to it says so; what the capture keeps alive needs none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from weakref import ref as weak

from torch import Tensor

from modscope.data import Source
from modscope.tracer import specs
from modscope.tracer.looking import Lent, facts_of, has_others, is_batched, original_of, storage_of
from modscope.tracer.refs import Memory, Ref, Shared, new_ref
from modscope.tracer.tree import Captured


class Tensors:
    """The tensors of one recording."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self._standing = captured.tensors
        self._overwritten: set[int] = set()  # numbers of captured tensors
        self.known: dict[int, Ref] = {}  # by id; holds while the weak reference says so
        self._memories: dict[int, Memory] = {}  # by address
        self._lent: Lent[Memory] = Lent()
        self._looked = 0  # how many captured tensors were asked for their memory
        self._any_written = False

    def refer(self, tensor: Tensor) -> Ref:
        """The ref of a tensor that is read."""
        ref = self.known.get(id(tensor))
        if ref is None or (ref.alive is not None and ref.alive() is not tensor):
            return self.first_seen(tensor)
        return ref if ref.memory is None or ref.known == ref.memory.version else self.renewed(tensor, ref)

    def made(self, tensor: Tensor, op: int) -> Ref:
        """The ref of an op's output, which may be one of its inputs."""
        known = self.known
        ref = known.get(id(tensor))
        if ref is None or (ref.alive is not None and ref.alive() is not tensor):
            ref = Ref()
            ref.alive = weak(tensor)
            ref.facts = facts_of(tensor)
            ref.source = op
            ref.standing = -1
            ref.memory = None
            ref.version = 0
            known[id(tensor)] = ref  # at the end: there may be no room on the stack to fill it in
        elif ref.memory is not None and ref.known != ref.memory.version:
            return self.renewed(tensor, ref)
        return ref

    def shared(self, tensors: Iterable[Tensor]) -> None:
        """After an op that may have made views of one of these of another one: find out."""
        known = self.known
        for tensor in tensors:
            ref = known.get(id(tensor))
            if ref is None or (ref.alive is not None and ref.alive() is not tensor):
                ref = self.first_seen(tensor)
            if ref.memory is None:
                self._remember(tensor, ref)

    def before_write(self, tensor: Tensor) -> Ref:
        """The ref of a tensor that will be written, and may be given other memory thereby."""
        if not self._any_written:
            self._any_written = True
            self._remember_old()
        ref = self.refer(tensor)
        if ref.memory is None:
            self._remember(tensor, ref)
        return ref

    def written(self, tensor: Tensor, op: int, in_a_call: bool, rebound: bool) -> None:
        """After a write: all tensors of the same memory have new values; if it was `rebound`, this tensor alone.

        What is written between forwards, by an optimizer, stays the parameter that it is.
        """
        before = self.refer(tensor)
        memory = before.memory
        storage = storage_of(tensor)
        moved = storage is not None and not self._is_of(storage, memory)  # set_(), .data =
        if moved and before.alive is not None:  # no longer a view of what it was a view of
            self.known[id(tensor)] = new_ref(before.alive, facts_of(tensor), op, -1, None, before.version + 1)
            before.alive = None
        elif memory is None or moved or rebound:
            source = op if in_a_call or before.standing < 0 else before.source
            self._renew(tensor, before, source, before.version + 1)
        else:
            memory.version += 1
            if storage is not None:  # out= and resize_() let it grow
                memory.nbytes = storage.nbytes()
            if in_a_call:
                memory.writer = memory.version, op
            if in_a_call or memory.standing < 0:
                memory.source = op
        if moved:
            self._remember(tensor, self.known[id(tensor)])

    def lend(self, tensor: Tensor) -> None:
        """Its memory is handed to Python, where other tensors may be made of it."""
        ref = self.refer(tensor)
        storage, memory = storage_of(tensor), ref.memory or self._remember(tensor, ref)
        if storage is not None and memory is not None:
            self._lent.lend(storage, memory)

    def alias(self, made: Tensor, given: Tensor) -> None:
        """A new tensor has the value of a given one, and its memory."""
        of = self.refer(given)
        if made is not given:
            memory = of.memory or self._remember(given, of)
            source = Shared("unknown", of=of.source) if isinstance(of.source, Source) else of.source
            self.forget(made)
            self.known[id(made)] = new_ref(weak(made), facts_of(made), source, of.standing, memory, of.version)

    def marked(self, tensor: Tensor) -> None:
        """Autograd takes a tensor for something else now; its values are those it had."""
        ref = self.refer(tensor)
        memory = ref.memory or self._remember(tensor, ref)
        self.known[id(tensor)] = new_ref(ref.alive, facts_of(tensor), ref.source, ref.standing, memory, ref.version)
        ref.alive = None

    @property
    def overwritten(self) -> set[int]:
        """The numbers of the captured tensors that ops wrote."""
        held = [ref for ref in self.known.values() if ref.standing >= 0 and ref.memory is not None]
        return self._overwritten | {ref.standing for ref in held if ref.known != ref.memory.version}  # type: ignore[union-attr]

    def was_written(self, tensor: Tensor) -> bool:
        """Whether a tensor that was there before holds what an op has written."""
        ref = self.known.get(id(tensor))
        known = ref is not None and (ref.alive is None or ref.alive() is tensor)
        return known and type(self.refer(tensor).source) is int

    def forget(self, tensor: Tensor) -> None:
        """Take a tensor for another one from now on, and leave no weak reference to it."""
        ref = self.known.pop(id(tensor), None)
        if ref is not None:
            ref.alive = None

    def release(self) -> None:
        """Forget which tensor is which."""
        self.known.clear()
        self._memories.clear()
        self._lent.clear()

    def renewed(self, tensor: Tensor, ref: Ref) -> Ref:
        """What stands for a tensor whose memory was written since."""
        memory = ref.memory
        assert memory is not None
        version, writer = memory.writer
        source = memory.source if ref.standing < 0 else writer if version > ref.known else ref.source
        return self._renew(tensor, ref, source, memory.version)

    def _renew(self, tensor: Tensor, ref: Ref, source: Source | int | None, version: int) -> Ref:
        new = self.known[id(tensor)] = new_ref(ref.alive, facts_of(tensor), source, ref.standing, ref.memory, version)
        ref.alive = None  # one weak reference for each tensor, so that it can be forgotten
        if ref.standing >= 0:
            self._overwritten.add(ref.standing)
        return new

    def first_seen(self, tensor: Tensor) -> Ref:
        """The ref of a tensor that is read and has none yet."""
        number = self._standing.get(id(tensor))
        if number is not None:
            ref = Ref()
            ref.alive = ref.facts = ref.source = ref.memory = None
            ref.standing = number
            ref.version = 0
            self.known[id(tensor)] = ref
            if self._any_written:
                self._look_for_write(tensor, ref)
            return ref
        # a source of its own: which input that is, if it is one, is found when the records are built
        ref = new_ref(weak(tensor), facts_of(tensor), Source("unknown"), -1)
        if is_batched(tensor):
            ref.facts = replace(specs.spec(tensor), layout="batched")
        storage = storage_of(tensor)
        memory = None if storage is None else self._memory_of(storage) or self._looked_for(storage)
        if memory is not None:  # a view that was made out of sight
            self._join(tensor, ref, memory)
            source = memory.source
            ref.source = Shared("unknown", of=source) if isinstance(source, Source) else source
            ref.standing = memory.standing
        elif self._any_written:
            self._remember(tensor, ref)
        self.known[id(tensor)] = ref  # at the end: who shares its memory was looked for among the others
        return ref

    def _remember_old(self) -> None:
        """Before the first write: what was there before may share memory, and nobody has looked yet."""
        for ref in [each for each in self.known.values() if each.memory is None and type(each.source) is not int]:
            tensor = self._tensor(ref)
            if tensor is not None:
                self._remember(tensor, ref)

    def _tensor(self, ref: Ref) -> Any:
        return self.captured.alive_tensors[ref.standing] if ref.alive is None else ref.alive()

    def _look_for_write(self, tensor: Tensor, ref: Ref) -> None:
        """A captured tensor may share memory with what was written before it was read."""
        memory = self._remember(tensor, ref)
        if memory is not None and type(memory.source) is int:
            ref.source, ref.facts = memory.source, facts_of(tensor)
            self._overwritten.add(ref.standing)

    def _remember(self, tensor: Tensor, ref: Ref) -> Memory | None:
        """Note what memory a tensor has; None for what has none (nested, sparse, batched)."""
        storage = storage_of(tensor)
        if storage is None:
            return None
        memory = self._memory_of(storage)
        if memory is None:
            memory = self._memories[storage._cdata] = Memory(storage, ref)
        self._join(tensor, ref, memory)
        return memory

    def _looked_for(self, storage: Any) -> Memory | None:
        """The memory of tensors of which nobody knew yet that they share it with another one."""
        if not has_others(storage):
            return None
        for ref in list(self.known.values()):
            if ref.memory is None and (tensor := self._tensor(ref)) is not None:
                self._remember(tensor, ref)
        memory = self._living(storage._cdata)
        if memory is None:
            standing, self._looked = self.captured.alive_tensors[self._looked :], len(self.captured.alive_tensors)
            self.shared(standing)
            memory = self._living(storage._cdata)
        return memory

    def _memory_of(self, storage: Any) -> Memory | None:
        return self._living(storage._cdata) or self._borrowed(storage)

    def _is_of(self, storage: Any, memory: Memory | None) -> bool:
        return self._memories.get(storage._cdata) is memory or self._borrowed(storage) is memory

    def _borrowed(self, storage: Any) -> Memory | None:
        """The memory that came back as that of another tensor, from Python or as an image without numbers."""
        original = original_of(storage)
        return self._lent.find(storage) if original is None else self._living(original._cdata)

    def _join(self, tensor: Tensor, ref: Ref, memory: Memory) -> None:
        ref.memory = memory
        ref.version = ref.known = memory.version
        if ref.alive is not None:  # a captured tensor stays what it is
            ref.standing = memory.standing

    def _living(self, address: int) -> Memory | None:
        """The memory at an address, unless it is gone: then the address was given out again."""
        memory = self._memories.get(address)
        return None if memory is None or memory.alive() is None else memory

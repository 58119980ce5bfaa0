"""Tool: one function the model may call, and how a call runs: read strictly, call once, answer in one shape."""

from collections.abc import Callable
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import anyio.from_thread
import anyio.to_thread
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from msgspec import Struct
from pydantic import Field, InstanceOf

from trade_mcp.domain.errors import BadInput
from trade_mcp.server import asking, attempts, errors, strict
from trade_mcp.server.calls import logged
from trade_mcp.server.person import Decide, Person
from trade_mcp.server.shapes import Body

if TYPE_CHECKING:
    from trade_mcp.app import App


Tell = Callable[[int, int, str], object]  # (done, of, what it does now)


class Entry(Struct, frozen=True):
    """A tool as its module lists it.

    ``run(desk, **arguments)`` answers with a body. With ``takes``, the arguments are those of that function and
    ``run(desk, request)`` gets the order it makes of them. ``reads``: changes nothing; what changes something reaches
    the venue and counts as destructive. ``repeatable``: a second call with the same arguments does nothing more.
    ``keeps``: it leaves files behind, and nothing else. ``tells``: it takes long, so ``run(desk, tell, **arguments)``
    says how far it has come. ``asks`` does what a person answered: ``run`` is told whether the client can put a
    question, and answers ``proposed`` for what waits for one.
    """

    run: Callable[..., Body]
    title: str
    takes: Callable[..., Any] | None = None
    reads: bool = True
    repeatable: bool = True
    keeps: bool = False
    tells: bool = False
    asks: Decide | None = None

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def manual(self) -> str:
        """What the model reads: the docstring."""
        return cleandoc(self.run.__doc__ or "")

    @property
    def annotations(self) -> ToolAnnotations:
        return ToolAnnotations(
            title=self.title,
            read_only_hint=self.reads and not self.keeps,
            destructive_hint=not self.reads,
            idempotent_hint=self.repeatable and not self.keeps,
            open_world_hint=not self.reads,
        )


class DeskTool(Tool):
    """An Entry on a desk, as the SDK serves it. The SDK's own reading of arguments, which coerces, is not used."""

    answer: Callable[[dict[str, Any], Tell, bool], CallToolResult] = Field(exclude=True)
    person: InstanceOf[Person] | None = Field(exclude=True, default=None)  # of a tool that asks

    async def run(
        self, arguments: dict[str, Any], context: Any, convert_result: bool = False
    ) -> CallToolResult | InputRequiredResult:
        def tell(done: int, of: int, what: str) -> None:
            anyio.from_thread.run(context.report_progress, done, of, what)

        if self.person is None:
            return await anyio.to_thread.run_sync(self.answer, arguments, tell, False)
        if (said := asking.answered(context)) is not None:
            return await anyio.to_thread.run_sync(self.person.decide, *said)
        can_ask = self.person.may_decide and asking.can_be_asked(context)
        told = await anyio.to_thread.run_sync(self.answer, arguments, tell, can_ask)
        question = await anyio.to_thread.run_sync(self.person.question, told) if can_ask else None
        if question is None:
            return told
        put = await asking.put(context, question, now=self.person.now())
        if isinstance(put, InputRequiredResult):
            return put
        return await anyio.to_thread.run_sync(self.person.decide, question.proposal_id, put)


def served(entry: Entry, desk: "App") -> DeskTool:
    """``entry`` bound to ``desk``."""
    arguments = strict.arguments_of(entry.takes or entry.run)
    return DeskTool(
        fn=entry.run,
        name=entry.name,
        title=entry.title,
        description=entry.manual,
        parameters=strict.schema_of(arguments),
        fn_metadata=FuncMetadata(arg_model=ArgModelBase),
        is_async=False,
        annotations=entry.annotations,
        answer=lambda sent, tell, can_ask: logged(
            entry.name, partial(_answer, entry, arguments, desk, sent, tell, can_ask)
        ),
        person=None if entry.asks is None else Person(desk, entry.name, entry.asks),
    )


def _answer(
    entry: Entry, arguments: tuple[strict.Argument, ...], desk: "App", sent: dict[str, Any], tell: Tell, can_ask: bool
) -> CallToolResult:
    named: Body = {}  # the order's id: with it even a call that broke can be repeated safely

    def run() -> Body:
        try:
            values = strict.read(arguments, sent)
        except BadInput:
            known = {argument.name for argument in arguments}
            attempts.note(desk, entry.name, [name for name in sent if name not in known])
            raise
        if entry.takes is None:
            told = (tell,) if entry.tells else ()
            return entry.run(desk, *told, **values)
        request = entry.takes(**values)
        if not entry.reads:
            named["order_id"] = request.order_id
        return entry.run(desk, request, can_ask) if entry.asks else entry.run(desk, request)

    return errors.guarded(desk, entry.name, run, named)

"""The HTTP API of offers: institutions publish, the world searches."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from services.registry.catalogue import handlers
from services.registry.catalogue.commands import OfferSummary, OfferView, PublishOffer, summary
from services.registry.catalogue.domain import ListedOffer, OfferQuery, shown
from services.registry.catalogue.index import OfferIndex
from services.registry.context import RegistryContext
from shared.ids import NODE_NAME, SLUG
from shared.web.auth.bearer import Caller, requires
from shared.web.idempotency import KEYED
from shared.web.paging import Page, Paged, page_from
from shared.web.ratelimit import metered
from shared.web.strict import router

routes = router("catalogue")

Publisher = Annotated[Caller, requires("offers:publish")]
Node = Annotated[str, Path(pattern=f"^{NODE_NAME}$", description="The node that published it.")]
Institution = Annotated[str, Path(pattern=f"^{SLUG}$", description="The institution that offers it.")]
OfferSlug = Annotated[str, Path(pattern=f"^{SLUG}$", description="The offer's name among the institution's.")]


@routes.post("/offers", status_code=201, response_model=OfferView, dependencies=[KEYED])
async def publish_offer(command: PublishOffer, request: Request, caller: Publisher) -> Response:
    """Offer a micro-credential, in all the federation; published again it is a new version of the same offer."""
    context = RegistryContext.of(request)
    root = request.scope.get("root_path", "")
    return await context.transactions.answer(
        request,
        caller,
        lambda unit: handlers.publish_offer(unit, caller, command, context.node),
        status=201,
        headers=lambda made: {"Location": f"{root}/catalogue/{made.name}"},
        required=True,
    )


@routes.post("/offers/{institution}/{offer}/withdraw", response_model=OfferView, dependencies=[KEYED])
async def withdraw_offer(institution: Institution, offer: OfferSlug, request: Request, caller: Publisher) -> Response:
    """Offer it no more. What was issued from it stands."""
    context = RegistryContext.of(request)
    return await context.transactions.answer(
        request,
        caller,
        lambda unit: handlers.withdraw_offer(unit, caller, context.node, institution, offer),
        required=True,
    )


def _query(
    text: Annotated[str, Query(max_length=200, description="Words, all of which the offer says in any language.")] = "",
    eqf: Annotated[int | None, Query(ge=1, le=8, description="EQF level.")] = None,
    ects_min: Annotated[float | None, Query(ge=0, le=1000, allow_inf_nan=False, description="Credits at least.")] = None,
    ects_max: Annotated[float | None, Query(ge=0, le=1000, allow_inf_nan=False, description="Credits at most.")] = None,
    isced_f: Annotated[str | None, Query(pattern=r"^\d{2,4}$", description="Field of education: ISCED-F prefix.")] = None,
    language: Annotated[str | None, Query(pattern="^[a-z]{2}$", description="A language that it is taught in.")] = None,
    country: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="The awarding body's country.")] = None,
    node: Annotated[str | None, Query(pattern=f"^{NODE_NAME}$", description="Published by this node.")] = None,
    institution: Annotated[str | None, Query(pattern=f"^{SLUG}$", description="The institution's name there.")] = None,
    stacks_into: Annotated[
        str | None, Query(pattern=f"^{NODE_NAME}/{SLUG}/{SLUG}$", description="A larger offer that it is a part of.")
    ] = None,
    stackable: Annotated[bool | None, Query(description="Whether it is meant as a part of something larger.")] = None,
) -> OfferQuery:
    return OfferQuery(
        text=text,
        eqf=eqf,
        ects_min=ects_min,
        ects_max=ects_max,
        isced_f=isced_f,
        language=language,
        country=country,
        node=node,
        institution=institution,
        stacks_into=stacks_into,
        stackable=stackable,
    )


@routes.get("/catalogue", dependencies=[Depends(metered)])
async def search_catalogue(
    request: Request, response: Response, paging: Paged, query: Annotated[OfferQuery, Depends(_query)]
) -> Page[OfferSummary]:
    """What is offered in all the federation, by name; for everybody. A short page may have a next one all the same."""
    membership = RegistryContext.of(request).membership
    index: OfferIndex = request.app.state.offers
    passes = query.test()

    def test(listed: ListedOffer) -> bool:
        return passes(listed) and shown(listed, membership.node(listed.node))

    found = await index.search(test, paging.after, paging.limit)
    return page_from([summary(listed) for listed in found.offers], found.last, request, response)


@routes.get("/catalogue/{node}/{institution}/{offer}", dependencies=[Depends(metered)])
async def show_offer(node: Node, institution: Institution, offer: OfferSlug, request: Request) -> OfferView:
    """One whole offer; for everybody."""
    context = RegistryContext.of(request)
    return await handlers.show_offer(context.store, context.membership, f"{node}/{institution}/{offer}")

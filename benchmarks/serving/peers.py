"""The peers that benchmarks/serving writes itself: each does nothing but predict one ready vector with the booster.

BOOSTER names LightGBM's text file. `uvicorn benchmarks.serving.peers:fastapi_app --factory`, `…:starlette_app`, and
`bentoml serve benchmarks.serving.peers:Plain`.
"""

import os
from typing import Any

import bentoml
import lightgbm
import numpy as np


def load_booster() -> lightgbm.Booster:
    """Load the booster and predict once, so that the first request is like all others."""
    booster = lightgbm.Booster(model_file=os.environ["BOOSTER"])
    predict(booster, [0.0] * booster.num_feature())
    return booster


def predict(booster: lightgbm.Booster, row: list[float | None]) -> float:
    """Predict one vector, on the calling thread."""
    matrix = np.array([row], dtype=np.float64)
    return float(np.asarray(booster.predict(matrix, num_threads=1))[0])


def starlette_app() -> Any:
    """A bare Starlette app."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    booster = load_booster()

    async def answer(request: Request) -> JSONResponse:
        body = await request.json()
        return JSONResponse({"score": predict(booster, body["row"])})

    return Starlette(routes=[Route("/predict", answer, methods=["POST"])])


def fastapi_app() -> Any:
    """A plain FastAPI app with a typed request and answer."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Row(BaseModel):
        row: list[float | None]

    class Score(BaseModel):
        score: float

    booster = load_booster()
    app = FastAPI()

    @app.post("/predict")
    async def answer(row: Row) -> Score:
        return Score(score=predict(booster, row.row))

    return app


@bentoml.service(workers=1)
class Plain:
    """A plain `@bentoml.api`."""

    def __init__(self) -> None:
        self.booster = load_booster()

    @bentoml.api(route="/predict")
    async def score(self, row: list[float | None]) -> float:
        """Predict one vector."""
        return predict(self.booster, row)

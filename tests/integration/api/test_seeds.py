"""The requests that the documents of the service print, with the templates of the repository."""

from typing import Any

import httpx
import pytest


@pytest.mark.parametrize(
    ("body", "total"),
    [
        ({"scenario": "CreateVideo", "description": "Создай видео про котов", "slides_count": 3}, 9),
        ({"scenario": "ScenarioCreateVideo", "description": "A video about cats", "slides_count": 3}, 9),
        (
            {
                "scenario": "CreateVoice",
                "description": "Привет",
                "slides_count": 3,
                "variables": {"COUNT": 2},
            },
            2,
        ),
        ({"scenario": "CreateSlides", "description": "Коты", "slides_count": 4}, 8),
    ],
)
async def test_a_documented_request_makes_the_documented_number_of_tasks(
    client: httpx.AsyncClient, body: dict[str, Any], total: int
) -> None:
    answer = await client.post("/generate", json=body)

    assert answer.status_code == 201, answer.text
    assert (answer.json()["total"], len(answer.json()["task_ids"])) == (total, total)


async def test_the_plan_of_a_video_waits_for_text_voice_and_slides(client: httpx.AsyncClient) -> None:
    body = {"scenario": "CreateVideo", "description": "Создай видео про котов", "slides_count": 3}

    plan = (await client.post("/plan", json=body)).json()

    assert [len(stage) for stage in plan["stages"]] == [1, 4, 3, 1]
    assert len(plan["critical_path"]) == 4
    assert max(task["queue"] for task in plan["tasks"]) == 4

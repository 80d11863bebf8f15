"""The main job from end to end: a customer writes, an attendant answers, the answer's ticks come back."""

from tests.system import Guest, Hotel, eventually


async def test_a_customer_writes_an_attendant_answers_and_the_ticks_come_back(guest: Guest, hotel_a: Hotel) -> None:
    await guest.writes("Olá, há quarto? ção 😀")
    conversation = await guest.conversation()
    url = f"/api/conversations/{conversation['id']}/messages"
    answer = await hotel_a.attendant.post(url, json={"content": "Sim, há."})
    assert (answer.status_code, answer.json()["status"]) == (201, "QUEUED")

    async def read() -> bool:
        newest = (await guest.history())[0]
        return newest["status"] == "READ" and all(newest[at] for at in ("sentAt", "deliveredAt", "readAt"))

    await eventually(read)
    assert [item["content"] for item in await guest.history()] == ["Sim, há.", "Olá, há quarto? ção 😀"]

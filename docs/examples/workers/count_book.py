"""Counts the words of a book: one task for each chapter, in processes of their own."""

from collections import Counter

from pydantic import BaseModel

from workers_sdk import Context, Fail, Worker

worker = Worker("books-service", concurrency=4, kill_after_s=2)


class Chapter(BaseModel):
    number: int


@worker.task("FetchBook")
async def fetch_book(ctx: Context) -> list[list[str]]:
    if not ctx.prompt:
        raise Fail("a book without words", code="empty_book", retry=False)
    return [[ctx.prompt] * 5_000] * 3  # three chapters; more than 64 KiB, so it becomes an artifact


@worker.task("CountBook")
async def count_book(ctx: Context) -> int:
    chapters = ctx.result("book_task_id").value
    book_id = ctx.fields["book_task_id"]
    counts = [
        ctx.spawn("CountChapter", params={"number": n}, book_task_id=book_id) for n in range(len(chapters))
    ]
    ctx.spawn("AddUp", chapter_ids=counts)  # waits for all of them, and gets their results
    return len(chapters)


@worker.task("CountChapter", run="process")
def count_chapter(ctx: Context, chapter: Chapter) -> dict[str, int]:
    lines = ctx.result("book_task_id").value[chapter.number]
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines):
        ctx.cancelled.raise_if_set()
        ctx.progress(100 * number / len(lines), f"line {number}")
        counts.update(line.split())
    return counts


@worker.task("AddUp")
def add_up(ctx: Context) -> dict[str, int]:
    total: Counter[str] = Counter()
    for chapter in ctx.results("chapter_ids"):
        ctx.heartbeat()
        total.update(chapter.value)
    return dict(total.most_common(3))


@worker.task("Publish")
async def publish(ctx: Context) -> str:
    ctx.log.info("published", chapters=ctx.result("count_task_id").value)
    return "published"


if __name__ == "__main__":
    worker.run()

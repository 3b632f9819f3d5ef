from workers_sdk import Context, Worker

worker = Worker("hello-service")


@worker.task("Greet")
async def greet(ctx: Context) -> dict[str, str]:
    return {"text": f"Hello, {ctx.prompt}!"}


@worker.task("Join")
async def join(ctx: Context) -> dict[str, str]:
    return {"text": " ".join(greeting.value["text"] for greeting in ctx.results("greeting_ids"))}


if __name__ == "__main__":
    worker.run()

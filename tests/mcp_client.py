"""The official Python client of the Model Context Protocol, driven by plans.

Reads plans from standard input, one JSON text a line, and writes to standard output for each what its steps said, or
why it could not be followed. Every plan has a client of its own, with a connection of its own; they share the process,
because starting one takes longer than what it does. The client itself checks every structured result against the
tool's output schema.
"""

import asyncio
import json
import sys
import traceback

import anyio
import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client


def told(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def step(client, wanted):
    try:
        match wanted["do"]:
            case "about":
                return {"ok": {"protocol": client.protocol_version, "server": told(client.server_info)}}
            case "tools":
                return {"ok": told(await client.list_tools())}
            case "resources":
                return {"ok": told(await client.list_resources())}
            case "templates":
                return {"ok": told(await client.list_resource_templates())}
            case "read":
                return {"ok": told(await client.read_resource(wanted["uri"]))}
            case "call":
                return {"ok": told(await client.call_tool(wanted["name"], wanted["arguments"]))}
            case "give_up":
                with anyio.move_on_after(wanted["after"]):
                    return {"ok": told(await client.call_tool(wanted["name"], wanted["arguments"]))}
                return {"given_up": True}
            case other:
                raise ValueError(other)
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}


async def follow(plan):
    headers = {"authorization": f"Bearer {plan['credential']}", **plan.get("headers", {})}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(plan["url"], http_client=http)
        async with Client(transport, mode=plan["mode"]) as client:
            return [await step(client, wanted) for wanted in plan["steps"]]


for line in sys.stdin:
    try:
        said = {"said": asyncio.run(follow(json.loads(line)))}
    except BaseException as error:
        said = {"failed": "".join(traceback.format_exception(error))}
    print(json.dumps(said), flush=True)

from __future__ import annotations

import json

from ganlab.config.schema import json_schema


def test_the_schema_is_printed_as_json(call, parts) -> None:
    result = call("schema")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == json_schema(parts)

"""Connection: how ccxt's requests reach the exchange: once each, on kept connections, with a time-out.

ccxt asks for a session of `requests`; this is one, without what costs more than the request itself (cookies, redirects,
netrc, hooks). It answers and fails with requests' own types, by which ccxt tells what happened. It never sends twice.
"""

from collections.abc import Callable, Mapping
from typing import Any

import certifi
import requests
import urllib3

AT_ONCE = 16  # connections kept open to one host


class Connection(requests.Session):
    """Safe between threads. ``heard`` sees every answer, and may raise. ``also`` are headers that go along, by method
    and address, made when the request goes.
    """

    def __init__(self, heard: Callable[[requests.Response], None], *, also: Callable[[str, str], Mapping[str, str]]):
        super().__init__()
        self.trust_env = False
        self._heard, self._also = heard, also
        self._pools = urllib3.PoolManager(maxsize=AT_ONCE, retries=False, ca_certs=certifi.where())
        self._hosts: dict[str, urllib3.HTTPConnectionPool] = {}

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
        proxies: dict[str, str] | None,
        verify: bool,
        files: Any,
    ) -> requests.Response:
        headers = {**headers, **self._also(method, url)}
        if proxies or files or not verify:  # rare: requests itself knows how
            response = super().request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=timeout,
                proxies=proxies,
                verify=verify,
                files=files,
                allow_redirects=False,
            )
        else:
            response = self._sent(method, url, data, headers, timeout)
        self._heard(response)
        return response

    def close(self) -> None:
        self._pools.clear()
        super().close()

    def _sent(
        self, method: str, url: str, data: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> requests.Response:
        end = url.find("/", len("https://"))
        host, target = url[:end], url[end:]
        pool = self._hosts.get(host)
        if pool is None:
            pool = self._hosts[host] = self._pools.connection_from_url(host)
        try:
            answer = pool.urlopen(
                method, target, body=data, headers=headers, timeout=timeout, redirect=False, retries=False
            )
        except urllib3.exceptions.TimeoutError as error:
            raise requests.Timeout(str(error)) from error
        except urllib3.exceptions.SSLError as error:
            raise requests.exceptions.SSLError(str(error)) from error
        except urllib3.exceptions.HTTPError as error:  # refused, reset, broken off in the middle
            raise requests.ConnectionError(str(error)) from error
        response = requests.Response()
        response.status_code, response.reason, response.url = answer.status, answer.reason or "", url
        response.headers = answer.headers  # type: ignore[assignment]  # it ignores case, too
        response._content = answer.data
        return response

"""News between managers on PostgreSQL."""

import threading
from contextlib import closing

import psycopg

from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.postgresql import PostgresqlStorage


def test_news_reach_other_storages_and_not_their_sender(url: str) -> None:
    """Whatever else is said on the channel."""
    heard: list[News] = []
    arrived, listening = threading.Event(), threading.Event()

    def hear(news: News) -> None:
        listening.set()
        heard.append(news)
        if news.due == {"mail": 1}:
            arrived.set()

    with closing(PostgresqlStorage(url)) as here, closing(PostgresqlStorage(url)) as there:
        own: list[News] = []
        here.subscribe(own.append)
        there.subscribe(hear)
        assert listening.wait(10)
        with psycopg.connect(url, autocommit=True) as stranger:
            stranger.execute("NOTIFY jsonrpc_qm, 'nonsense'")
        here.announce(News(due={"mail": 1}, finished=["a"]))
        assert arrived.wait(10)
    assert heard[0].more
    assert [news.finished for news in heard if news.due == {"mail": 1}] == [["a"]]
    assert all(news.due != {"mail": 1} for news in own)

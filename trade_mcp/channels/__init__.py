"""Channels: how a message reaches a person: mail, webhook. Each delivers one message, or says why it did not."""

"""The web: pages for people, answers for programs; it sees the world through data and events."""

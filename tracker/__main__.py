"""`tracker`, also as `python -m tracker`: the command line, and Ctrl-C while it is being loaded."""


def run() -> None:
    """Run the command line of this process."""
    try:
        from tracker.cli.main import run as command_line

        command_line()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    run()

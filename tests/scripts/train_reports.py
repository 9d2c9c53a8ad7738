"""Reports five values of accuracy in the way that its argument names."""

import sys

how = sys.argv[1]
values = [0.5, 0.6, 0.7, 0.8, 0.9]

if how == "prints":
    for epoch, value in enumerate(values):
        print(f"\x1b[32mepoch {epoch}\x1b[0m: loss=0.1, accuracy={value}", flush=True)
elif how == "logs_and_prints":
    import sweepsite_client as sweep

    for epoch, value in enumerate(values):
        print(f"accuracy={value}", flush=True)
        sweep.log(step=epoch, accuracy=value)
elif how == "logs_late":
    import time

    import sweepsite_client as sweep

    for value in values:
        print(f"accuracy={value / 10}", flush=True)
        # Until the printed values have gone to the site.
        time.sleep(0.7)
    for epoch, value in enumerate(values):
        sweep.log(step=epoch, accuracy=value)
elif how == "tensorboard":
    from tensorboardX import SummaryWriter

    with SummaryWriter("outputs/logs") as writer:
        for epoch, value in enumerate(values):
            writer.add_scalar("accuracy", value, epoch)
            writer.add_scalar("loss", 1 - value, epoch)
elif how == "azure":
    from azureml.core import Run

    run = Run.get_context()
    for value in values:
        run.log("accuracy", value)
    run.tag("colour", "red")
    run.complete()
else:
    for value in values:
        print(f"val_acc={value}", flush=True)

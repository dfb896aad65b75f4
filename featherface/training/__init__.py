"""Training: pictures, augmentation, targets, losses, distillation and the loop."""

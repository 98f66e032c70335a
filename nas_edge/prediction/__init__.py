"""What is not known before training: the accuracy of a point, guessed from others, with how sure.

NumPy and SciPy only. A Gaussian process over a space's choices (`gaussian_process`), what trying a
point may add to the front where its cost is known (`improvement`), and how a learning curve that
has begun will end (`curves`).
"""
